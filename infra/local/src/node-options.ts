/**
 * How Node runs the API and the worker: in less memory. Left alone, V8 lets the young generation grow to 134 MB and the
 * old one to twice what is alive, and the worker to 360 MB under full load; so it stays below 250 MB, for a few per
 * cent more of its CPU in garbage collection (make bench shows both).
 */
export const appNodeOptions = ['--max-semi-space-size=16', '--heap-growing-percent=40'] as const
