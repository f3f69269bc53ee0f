"""Fault points: places in the core that can be made to fail on purpose.

They stand below everything, for everything passes them. Who arms them, with what right and for how
long, is ``alchemiser_cli.chaos``.
"""

from alchemiser_cli.faults.armed import Armed, Strikes
from alchemiser_cli.faults.catalogue import CATALOGUE
from alchemiser_cli.faults.fault import RESOURCES, Fault, FaultKind, denial
from alchemiser_cli.faults.point import FaultPoint
from alchemiser_cli.faults.proxies import PROXY_PREFIX, proxy_target
from alchemiser_cli.faults.registry import declare, disarm_all, fault_point, fault_points
from alchemiser_cli.faults.target import FaultTarget

__all__ = [
    "CATALOGUE",
    "PROXY_PREFIX",
    "RESOURCES",
    "Armed",
    "Fault",
    "FaultKind",
    "FaultPoint",
    "FaultTarget",
    "Strikes",
    "declare",
    "denial",
    "disarm_all",
    "fault_point",
    "fault_points",
    "proxy_target",
]
