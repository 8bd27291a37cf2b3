// Machine peak: what the machine gives right now, the roofline that step times are held against.
#pragma once

namespace convoy {

// Fused multiply-adds in float32 of so many threads at once, in 1e9 operations per second, each
// counted as two; by the widest of AVX-512, AVX2 and plain C++ that the processor has. Takes
// `seconds`.
double peak_gflops(int threads, double seconds);

// Bytes to and from memory of so many threads at once, in 1e9 per second: STREAM's triad (McCalpin,
// 1995), two reads and a write per element of arrays of 32 MiB. Takes `seconds`, and 96 MiB for
// each thread.
double memory_bandwidth(int threads, double seconds);

}  // namespace convoy
