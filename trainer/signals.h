// Signals: SIGUSR1 and SIGTERM ask for a checkpoint and an end. The handler sets a flag; the flag
// travels with the next step's sums, so that all ranks stop after the same step.
#pragma once

namespace convoy {

// From now on both signals set the flag.
void catch_stop_signals();
bool stop_requested() noexcept;

}  // namespace convoy
