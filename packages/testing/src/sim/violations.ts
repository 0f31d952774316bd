/** What a simulation found. */
/** Those of the architecture, and what the waitlist and bookings promise beyond them. */
export type Invariant =
  | 'I1'
  | 'I2'
  | 'I3'
  | 'I4'
  | 'I5'
  | 'I6'
  | 'I7'
  | 'I8'
  | 'waitlist'
  | 'booking'
  | 'liveness'

export interface Violation {
  readonly invariant: Invariant
  readonly detail: string
}

/** Collects; the simulation ends at the first. Checks run inside the simulated servers, where a throw would be an answer. */
export class Findings {
  readonly all: Violation[] = []

  get first(): Violation | undefined {
    return this.all[0]
  }

  add(invariant: Invariant, detail: string): void {
    this.all.push({ invariant, detail })
  }

  expect(holds: boolean, invariant: Invariant, detail: () => string): void {
    if (!holds) this.add(invariant, detail())
  }
}
