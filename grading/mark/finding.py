"""What became of one exercise, as it travels from the examination to gradebook, report and feedback."""

from dataclasses import dataclass

OUTCOMES = ("right", "wrong", "not_attempted", "raised", "not_run")


@dataclass
class Finding:
    """`outcome` is one of OUTCOMES, `reason` for the student, `misconception` an id, `mean_iou` a trained model's."""

    outcome: str
    reason: str | None = None
    misconception: str | None = None
    mean_iou: float | None = None
