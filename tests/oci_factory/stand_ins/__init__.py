"""Stands in for the services that the OCI Factory's workflows ask, over HTTP and in their own wire formats.

`python -m stand_ins` serves what `generator` makes of a seed: GitHub's API under /github (contents of the branch
`_releases`, dispatches, runs and jobs, issues), an object store's container like OpenStack Swift's under /builds, the
same under /private for those with a token of Keystone's (/identity), a gallery of images like Amazon ECR's under
/registry, Mattermost's API under /mattermost, a webhook under /hook, a vulnerability scanner under /scanner. It
remembers what it was asked to do (`GET /_recorded`, `/_issues`, `/_scanned`) and what it was told (`GET /_notified`),
and fails when it is told to (`POST /_faults`). Needs Python's standard library only.
"""
