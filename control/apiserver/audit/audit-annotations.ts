/**
 * What the parts that a request passes have noted about it, for its audit event.
 *
 * Source: apiserver `pkg/audit/context.go` (AddAuditAnnotation).
 */

/** The annotations of one request. */
export class AuditAnnotations {
  readonly #values = new Map<string, string>();

  /** Of two values for one key the first stays. */
  add(key: string, value: string): void {
    if (!this.#values.has(key)) this.#values.set(key, value);
  }

  /** Undefined: there are none. */
  values(): Readonly<Record<string, string>> | undefined {
    return this.#values.size === 0 ? undefined : Object.fromEntries(this.#values);
  }
}
