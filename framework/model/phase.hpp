// How far a change that touches more than the database has come. A row that is not `ready` is the journal's entry for
// the change: see docs/decisions/0004-the-journal.md. Included by the kinds of rows that have one.
#pragma once

namespace velocity::model {

enum class Phase { creating, ready, deleting };

}  // namespace velocity::model
