"""What the rebuild speaks of: uploads, notes, plans and reports; frozen, and the same before and after JSON."""

from __future__ import annotations

import dataclasses
import datetime


@dataclasses.dataclass(frozen=True)
class Track:
    """A track that an upload is released to.

    Attributes:
        end_of_life: UTC, as `YYYY-MM-DDTHH:MM:SSZ`, the one form that every part of the OCI Factory reads.
        risks: at least one, from stable to edge.
    """

    end_of_life: str
    risks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Upload:
    """Something to build anew, and where to release it.

    Attributes:
        source: repository, as OWNER/NAME or a URL.
        commit: of the source.
        directory: of the rock within the source.
        ignored_vulnerabilities: identifiers that the image's tests let pass.
        release: track to risks; at least one.
    """

    source: str
    commit: str
    directory: str
    ignored_vulnerabilities: tuple[str, ...]
    release: dict[str, Track]


@dataclasses.dataclass(frozen=True)
class Note:
    """Something about an image that a person should know: what was left out of the rebuild, and why.

    Attributes:
        kind: for programs: what is the matter, like `expired-track`.
        subject: what it is the matter with: a track, a channel, a tag, or a revision, the latter as TRACK/NUMBER once
            its build metadata are known.
        text: a sentence.
    """

    kind: str
    subject: str
    text: str


@dataclasses.dataclass(frozen=True)
class ImagePlan:
    """What to do about one image.

    Attributes:
        uploads: unique by source, commit and directory; in the order of the oldest revision that each one replaces,
            since the OCI Factory numbers the new revisions in the order of the uploads.
        notes: sorted, each one once.
    """

    uploads: tuple[Upload, ...]
    notes: tuple[Note, ...]


@dataclasses.dataclass(frozen=True)
class ImageOrder:
    """What the workflow of one image is to do.

    Attributes:
        image: its name.
        release: the Ubuntu release, or `*`.
        dry_run: whether to dispatch nothing.
        since: before which nothing was dispatched for it: a rebuild that is reset gives the order anew, and still finds
            what it had dispatched. Without it, the beginning of the image's workflow.
    """

    image: str
    release: str
    dry_run: bool = False
    since: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class ImageReport:
    """What was done about one image.

    Attributes:
        image: its name.
        uploads: what was planned.
        notes: what was left out.
        external_ref_id: names the run at GitHub; empty if there is nothing to rebuild.
        dispatched: whether GitHub has accepted it.
        trigger: in a dry run, the YAML that would have been sent; empty otherwise.
        error: why the image could not be dealt with, or how its run ended that did not succeed; empty if all is well.
        run_url: the page of the run at GitHub.
        conclusion: how that ended, in GitHub's words; empty if it was not followed to its end.
    """

    image: str
    uploads: tuple[Upload, ...] = ()
    notes: tuple[Note, ...] = ()
    external_ref_id: str = ''
    dispatched: bool = False
    trigger: str = ''
    error: str = ''
    run_url: str = ''
    conclusion: str = ''


@dataclasses.dataclass(frozen=True)
class Notice:
    """What people are told of a rebuild, or of a scan.

    Attributes:
        release: the Ubuntu release, or `*`; empty for a scan.
        status: `Triggered`, `Waiting`, `Success`, `Failed` or `Cancelled`.
        rebuilt: names of the images whose rebuild has succeeded.
        failed: image to why it was not rebuilt or scanned, or what it waits for; empty string for the work as a whole.
        job: `rebuild` or `scan`.
        news: image to what was done about its issue; of a scan.
    """

    release: str
    status: str
    rebuilt: tuple[str, ...] = ()
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    job: str = 'rebuild'
    news: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Notification:
    """What became of telling people.

    Attributes:
        channel: `mattermost`, `webhook` or `mail`.
        lost: why they were not told, or not at the start or the end; empty if they were.
    """

    channel: str
    lost: str = ''


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of a rebuild.

    Attributes:
        release: the Ubuntu release, or `*`.
        image: the pattern that was asked for.
        dry_run: whether nothing was to be dispatched.
        images: one for each image that was looked at, by name.
        notifications: one for each channel that the worker has settings for.
    """

    release: str
    image: str
    dry_run: bool
    images: tuple[ImageReport, ...]
    notifications: tuple[Notification, ...] = ()


@dataclasses.dataclass(frozen=True)
class Dispatch:
    """A rebuild to ask GitHub for.

    Attributes:
        image: its name.
        trigger: YAML, as the OCI Factory keeps it in an image's `image.yaml`.
        external_ref_id: the same at every attempt, and no other dispatch's.
        since: when it was first thought of: no run of an earlier time is this one's.
    """

    image: str
    trigger: str
    external_ref_id: str
    since: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Run:
    """A run at GitHub.

    Attributes:
        id: its number; 0 if it is not known yet.
        url: its page; empty if it is not known yet.
        conclusion: how it ended, in GitHub's words; empty until it has.
    """

    id: int
    url: str
    conclusion: str = ''
