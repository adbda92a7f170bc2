"""nbgrader's settings: `python -m nbgrader ...` from the course folder finds them here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for the plug-ins in grading/

from nbgrader import preprocessors as nbgrader  # noqa: E402

from grading import gradebook  # noqa: E402, F401 (nbgrader makes gradebooks without alembic on PATH)
from grading.blanks import NameTheTask  # noqa: E402
from grading.mark.examine import Examine, WriteFindings  # noqa: E402
from grading.report import feedback  # noqa: E402
from grading.restore.answers import RestoreAnswers  # noqa: E402
from grading.run.execute import JailedExecute  # noqa: E402

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "segmentation-course"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"

c.GenerateAssignment.preprocessors = [
    nbgrader.LockCells, NameTheTask, nbgrader.ClearOutput, nbgrader.CheckCellMetadata, nbgrader.ComputeChecksums,
    nbgrader.SaveCells, nbgrader.ClearHiddenTests, nbgrader.ComputeChecksums, nbgrader.CheckCellMetadata]
# The first cell has switches for students; when grading, a locked cell's text is put back all the same
c.LockCells.lock_readonly_cells = False
c.ClearOutput.remove_metadata_fields = ["collapsed", "scrolled", "execution", "ExecuteTime"]

# The student's answers are put into the pristine release first
c.Autograde.sanitize_preprocessors = [
    RestoreAnswers,
    nbgrader.ClearOutput,
    nbgrader.DeduplicateIds,
    nbgrader.OverwriteKernelspec,
    nbgrader.OverwriteCells,
    nbgrader.CheckCellMetadata,
]
# Plain nbgrader's, with the examination before the execution, and both in jails; nothing that could act is kept
c.Autograde.autograde_preprocessors = [
    Examine, JailedExecute, WriteFindings, nbgrader.IgnorePattern, nbgrader.LimitOutput, nbgrader.SaveAutoGrades,
    nbgrader.AssignLatePenalties, nbgrader.CheckCellMetadata, feedback.Passive]

# A warning or a progress bar on stderr would cost a right answer all its points
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"
c.ExecutePreprocessor.record_timing = False
c.NotebookExporter.optimistic_validation = True  # once a notebook, not after each preprocessor

feedback.configure(c)
