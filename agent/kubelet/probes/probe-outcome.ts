/** What one try of a probe found. `output` is what upstream shows in the event `Unhealthy` or `ProbeWarning`. */
export type ProbeOutcome = { kind: 'success' } | { kind: 'warning'; output: string } | { kind: 'failure'; output: string };
