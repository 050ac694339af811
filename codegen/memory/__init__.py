"""Memory planning: lifetimes, placement, and the validator that checks every plan."""

from edgekit.codegen.memory.liveness import live_bytes
from edgekit.codegen.memory.plan import MemoryPlan, plan_memory, plan_report
from edgekit.codegen.memory.region import PlanRegion
from edgekit.codegen.memory.validate import validate_plan

__all__ = ["MemoryPlan", "PlanRegion", "live_bytes", "plan_memory", "plan_report", "validate_plan"]
