"""Who acts through a process of ours: a key's role and the workflows that it may see, with a client that acts for it.

The API and the dashboard ask the same caller, so what one refuses the other refuses too, and both note it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from orchestrator.client.access import Role, may_see
from orchestrator.client.audit import Actor
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.errors import Forbidden, UnknownRun, UnknownWorkflow
from orchestrator.store.access import KeyRecord

_LONGEST_AGENT: Final = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from, with a client that acts for them."""

    client: RedisOrchestrator
    role: Role
    user: str
    groups: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    """Patterns of the workflows that they may see; none: all."""
    about_to: tuple[str, str] | None = None
    """The action and the target that the audit log has, if they are not let; None while they only look."""

    def doing(self, action: str, target: str) -> Caller:
        """The same, about to change something."""
        return replace(self, about_to=(action, target))

    @classmethod
    def of_key(cls, client: RedisOrchestrator, record: KeyRecord, source: str = "", agent: str = "") -> Caller:
        """Whoever has that key."""
        actor = Actor(record.user, record.id, source, agent)
        return cls(client.acting_for(actor), Role(record.role), record.user, record.groups, record.workflows)

    @classmethod
    def of_this_machine(cls, client: RedisOrchestrator, source: str = "", agent: str = "") -> Caller:
        """Where access is off: whoever runs this process may do everything."""
        actor = Actor(client.audit.actor.user, "", source, agent)
        return cls(client.acting_for(actor), Role.ADMIN, actor.user)

    def run(self, run_id: str) -> RedisRunHandle:
        """The handle of a run that they may see; UnknownRun if there is none."""
        return self.runs_of(run_id)[0]

    def runs_of(self, run_id: str) -> tuple[RedisRunHandle, str]:
        """The same, and the run's workflow."""
        _, values = self.client.store.read(run_id, (fields.WORKFLOW,))
        workflow = values[fields.WORKFLOW]
        hidden = workflow is not None and not may_see(self.workflows, workflow)
        if hidden:
            self.note_denied()
        if workflow is None or hidden:
            raise UnknownRun(f"no run has the id {run_id!r}", run_id=run_id)
        return self.client.handle(run_id), workflow

    def check_workflow(self, key: str) -> None:
        """UnknownWorkflow if they may not see it, as if it were not there."""
        if not may_see(self.workflows, key):
            self.note_denied()
            raise UnknownWorkflow(f"no workflow {key!r} is published", key=key)

    def check_unrestricted(self) -> None:
        """Forbidden unless they may see every workflow: for what shows or changes more than some of them."""
        if self.workflows:
            self.note_denied()
            raise Forbidden("a key for some workflows only may not do this")

    def check_role(self, needed: Role, action: str, target: str) -> None:
        """Forbidden, and noted in the audit log, if their role does not allow what needs that one."""
        if not self.role.allows(needed):
            self.doing(action, target).note_denied()
            raise Forbidden(f"this needs the role {needed}; this key has {self.role}", needed=needed, role=self.role)

    def note_denied(self) -> None:
        """Note in the audit log that they were not let do what they are about to do, whatever they are told."""
        if self.about_to is not None:
            self.client.audit.note(*self.about_to, Forbidden.code)


def source_of(scope: Mapping[str, Any]) -> tuple[str, str]:
    """Where a request is from: the address, and what program says it is; of an ASGI scope."""
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return scope["client"][0] if scope.get("client") else "", agent.decode("latin-1")[:_LONGEST_AGENT]


def is_loopback(host: str) -> bool:
    """Whether a name is one of this machine for itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_local(headers: Mapping[str, str]) -> None:
    """Without keys, a page of another site that a browser here shows must not get in: by its origin, or by its name."""
    for text in (f"//{headers.get('host', '')}", headers.get("origin", "//localhost")):
        if not is_loopback(urlsplit(text).hostname or ""):
            raise Forbidden("without keys, only requests of this machine itself are taken")
