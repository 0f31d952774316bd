/**
 * How Node runs the API and the worker. Node 24 lets the young generation grow to 134 MB under load, most of it never
 * touched twice; 16 MB semispaces keep a process below 250 MB (measured by make bench) and cost nothing that shows.
 */
export const appNodeOptions = ['--max-semi-space-size=16'] as const
