/** What policies count. Source: apiserver `pkg/admission/plugin/policy/{validating,mutating}/metrics`. */

/** Counts checks of policies. */
export interface PolicyMetrics {
  /**
   * @param error upstream's name: `no_error`, `compile_error`, `invalid_error`, `out_of_budget`
   * @param action what followed: `allow`, `deny`, `warn`, `audit` @param seconds how long it took
   */
  observe(
    kind: 'validating' | 'mutating',
    names: { policy: string; binding: string },
    error: string,
    action: string,
    seconds: number,
  ): void;
}

/** Where nothing is counted. */
export const silentPolicyMetrics: PolicyMetrics = { observe: () => undefined };
