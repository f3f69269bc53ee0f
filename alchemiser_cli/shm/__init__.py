"""The weight bus: shared memory that survives a killed writer.

One writer publishes generations of a policy's weights, or small records, into a file of
``/dev/shm``; readers in other processes copy them out, proven whole, without ever waiting.
"""

from alchemiser_cli.shm.canary import Canary, Prove
from alchemiser_cli.shm.diagnosis import Diagnosis, WriterSeen, diagnose, diagnose_all
from alchemiser_cli.shm.files import SEGMENT_PREFIX, segment_file, segment_names
from alchemiser_cli.shm.freshness import Action, Freshness, State
from alchemiser_cli.shm.identity import Liveness, ProcessIdentity
from alchemiser_cli.shm.in_place import WeightsInPlace
from alchemiser_cli.shm.inspecting import SegmentFacts, gather_all, gather_facts
from alchemiser_cli.shm.layout import Header, HeaderReading, read_header
from alchemiser_cli.shm.lease import LeaseEvidence, lease_evidence
from alchemiser_cli.shm.presence import ReaderSeen
from alchemiser_cli.shm.records import RecordReader, RecordWriter, Segment
from alchemiser_cli.shm.repair_plan import RepairPlan, RepairStep, plan_repair
from alchemiser_cli.shm.repairing import (
    RepairOutcome,
    RollbackOutcome,
    apply_repair,
    rollback,
    segment_plan,
)
from alchemiser_cli.shm.schema import Manifest, TensorSpec
from alchemiser_cli.shm.slot_reports import SlotReport, TensorReport
from alchemiser_cli.shm.slots import Provenance, SlotHead
from alchemiser_cli.shm.verdict import Judgement, Verdict, judge
from alchemiser_cli.shm.weight_reader import WeightReader, Weights
from alchemiser_cli.shm.weight_writer import WeightWriter
from alchemiser_cli.shm.weights import WeightSegment

__all__ = [
    "SEGMENT_PREFIX",
    "Action",
    "Canary",
    "Diagnosis",
    "Freshness",
    "Header",
    "HeaderReading",
    "Judgement",
    "LeaseEvidence",
    "Liveness",
    "Manifest",
    "ProcessIdentity",
    "Prove",
    "Provenance",
    "ReaderSeen",
    "RecordReader",
    "RecordWriter",
    "RepairOutcome",
    "RepairPlan",
    "RepairStep",
    "RollbackOutcome",
    "Segment",
    "SegmentFacts",
    "SlotHead",
    "SlotReport",
    "State",
    "TensorReport",
    "TensorSpec",
    "Verdict",
    "WeightReader",
    "WeightSegment",
    "WeightWriter",
    "Weights",
    "WeightsInPlace",
    "WriterSeen",
    "apply_repair",
    "diagnose",
    "diagnose_all",
    "gather_all",
    "gather_facts",
    "judge",
    "lease_evidence",
    "plan_repair",
    "read_header",
    "rollback",
    "segment_file",
    "segment_names",
    "segment_plan",
]
