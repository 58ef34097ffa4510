"""The proxy that signs operators in for the console."""

from pydantic import Field

from guard.policy.policy_model import PolicyModel
from guard.policy.scalars import Header, Name, Network


class AdminProxy(PolicyModel):
    """A proxy such as oauth2-proxy that signs people in, before the console."""

    from_: tuple[Network, ...] = Field(alias="from", min_length=1)
    user: Header = "x-auth-request-email"
    groups: Header = "x-auth-request-groups"
    operators: tuple[Name, ...] = ()
