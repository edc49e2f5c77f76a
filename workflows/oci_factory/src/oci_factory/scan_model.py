"""What the scan speaks of: targets, findings, issues and reports; frozen, and the same before and after JSON."""

from __future__ import annotations

import dataclasses

from oci_factory.model import Note, Notification


@dataclasses.dataclass(frozen=True)
class Target:
    """A released revision to be scanned.

    Attributes:
        image: its name.
        name: TRACK/REVISION.
        digest: of the image's index.
        channels: that lead to it, as TRACK_RISK, sorted.
        ignored: identifiers of vulnerabilities that are known and let pass.
    """

    image: str
    name: str
    digest: str
    channels: tuple[str, ...]
    ignored: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ScanPlan:
    """What to scan of an image.

    Attributes:
        targets: by revision.
        source: what the newest revision is built from, as OWNER/NAME or a URL; empty if nothing tells.
        unscanned: what is released, and cannot be scanned: TRACK/REVISION, or what is known of it.
        notes: sorted, each one once.
        unread: channels and tracks of which the release file does not tell what they have, and that have not expired.
    """

    targets: tuple[Target, ...]
    source: str
    unscanned: tuple[str, ...]
    notes: tuple[Note, ...]
    unread: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """A vulnerability of a package.

    Attributes:
        id: like CVE-2026-1000.
        package: its name.
        version: the one that is there.
        fixed_in: the version that mends it; empty if there is none yet.
        severity: as the scanner has it, like High.
    """

    id: str
    package: str
    version: str
    fixed_in: str
    severity: str


@dataclasses.dataclass(frozen=True)
class Vulnerability:
    """A finding, and where it is.

    Attributes:
        finding: what.
        channels: of the revisions that have it, as TRACK_RISK, sorted.
    """

    finding: Finding
    channels: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Issue:
    """An open issue that tells of an image's vulnerabilities.

    Attributes:
        number: in its repository.
        url: its page.
        fingerprint: of what it tells.
    """

    number: int
    url: str
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class Tracker:
    """Where an image's issue belongs, and whether there is one.

    Attributes:
        repository: OWNER/NAME; empty if the image's source is not at GitHub, and no other one is named.
        issue: the open one; None if there is none.
        others: pages of other open issues that say they are the image's, too: somebody has copied them.
    """

    repository: str
    issue: Issue | None = None
    others: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class IssueChange:
    """What to do about an image's issue.

    Attributes:
        step: `open`, `update` or `close`.
        repository: OWNER/NAME.
        image: its name.
        title: of a new one.
        body: of a new or updated one; begins with the marker by which it is found again.
        number: of the one to update or close; 0 for a new one.
    """

    step: str
    repository: str
    image: str
    title: str = ''
    body: str = ''
    number: int = 0


@dataclasses.dataclass(frozen=True)
class ScanOrder:
    """What the workflow of one image is to do.

    Attributes:
        image: its name.
        dry_run: whether to leave the issues alone.
    """

    image: str
    dry_run: bool = False


@dataclasses.dataclass(frozen=True)
class ImageScan:
    """What was found of an image, and done about it.

    Attributes:
        image: its name.
        scanned: how many revisions were.
        unscanned: revisions that could not be.
        vulnerabilities: how many there are, those of several revisions counted once.
        step: what was done about the issue, or would be: `open`, `update`, `close` or `nothing`; empty if it did not
            come to that.
        issue_url: its page; empty if there is none, or none yet.
        notes: what a person should know of its releases, metadata and issues.
        error: what failed; empty if nothing did.
    """

    image: str
    scanned: int = 0
    unscanned: tuple[str, ...] = ()
    vulnerabilities: int = 0
    step: str = ''
    issue_url: str = ''
    notes: tuple[Note, ...] = ()
    error: str = ''


@dataclasses.dataclass(frozen=True)
class ScanReport:
    """The result of a scan.

    Attributes:
        image: the pattern that was asked for.
        dry_run: whether the issues were to be left alone.
        images: one for each image that was looked at, by name.
        notifications: one for each channel that the worker has settings for.
    """

    image: str
    dry_run: bool
    images: tuple[ImageScan, ...]
    notifications: tuple[Notification, ...] = ()
