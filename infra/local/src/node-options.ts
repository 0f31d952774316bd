/**
 * How Node runs the API and the worker: in less memory. Left alone, V8 lets the young generation grow to 134 MB and the
 * old one to twice what is alive, and the worker to 360 MB under full load; so it stays below 250 MB, for a few per
 * cent more of its CPU in garbage collection (make bench shows both). The young generation does not shrink either: V8
 * takes it down to 1 MB in a process that has been idle and lets it grow again only when much survives. Little of a cached read
 * does, so that a first burst was collected every millisecond and ran at half the rate.
 */
export const appNodeOptions = [
  '--max-semi-space-size=16',
  '--min-semi-space-size=16',
  '--heap-growing-percent=40',
] as const
