"""The surface of what waits for people: `orchestrator.approvals`. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.client.shown import OpenApproval

if TYPE_CHECKING:  # what stands here would bring in Redis, Celery or the expressions
    from orchestrator.engine.approvals import Choice


class Approvals(ABC):
    """What waits for people.

    Over Redis, `by` and `groups` are whom the caller knows to decide; by default it is who this client acts for. Over
    HTTP the key says that, and they are not taken.
    """

    @abstractmethod
    def mine(self, *, limit: int = 100) -> Sequence[OpenApproval]:
        """The open approvals that whoever this client acts for may decide now."""

    @abstractmethod
    def list(
        self, user: str | None = None, groups: Collection[str] = (), *, limit: int = 100
    ) -> Sequence[OpenApproval]:
        """The open approvals that this person may decide now, newest runs first; without a person, all."""

    @abstractmethod
    def decide(
        self,
        run_id: str,
        step: str,
        choice: Choice,
        *,
        by: str = "",
        groups: Collection[str] = (),
        comment: str = "",
        form: Any = None,
    ) -> None:
        """Decide an open approval; NotAsked if this person may not, InvalidInput if the form is not filled in right."""

    @abstractmethod
    def decide_by_link(
        self, run_id: str, step: str, choice: Choice, *, by: str, token: str, comment: str = "", form: Any = None
    ) -> None:
        """Decide by a link that was made for this person; NotAsked if its token is another."""

    @abstractmethod
    def delegate(self, run_id: str, step: str, to: str, *, by: str = "", groups: Collection[str] = ()) -> None:
        """Have another decide: instead of a user, besides a group. NotAsked if this person may not decide it."""

    @abstractmethod
    def link_token(self, run_id: str, step: str, user: str) -> str:
        """The token of the link by which a user may decide without a key: for that user, and that approval, alone.

        Whoever gives it away vouches for the user's being of the groups that are asked.
        """
