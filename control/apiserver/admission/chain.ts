/**
 * Admission: every plugin of the list is asked, in the list's order; first those that change the object, later those that only look.
 *
 * Who runs it, as upstream does: the registry for what is stored (creates, updates of objects, `status`, `scale`, `finalize` and
 * `ephemeralcontainers`, deletes and each object of a deleted collection); `rest/admitted.ts` for what is only handled (bindings,
 * evictions, tokens, reviews) and for connects.
 *
 * Source: apiserver `pkg/admission/chain.go`, `pkg/endpoints/handlers/{create,update,delete,rest}.go`.
 */
import type { AdmissionAttributes, AdmissionContext, AdmissionPlugin, QuotaStore, Reservation } from './plugin.ts';

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  /** @param plugins in the order in which they are asked, both times */
  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  /** The first pass: may change `attributes.object`. The first refusal ends it. @throws ApiError as the plugin says */
  async mutate(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.mutate !== undefined && plugin.handles(attributes.operation)) await plugin.mutate(attributes, context);
    }
  }

  /** The second pass, when all else about the request has been found good. @throws ApiError as the plugin says */
  async validate(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.validate !== undefined && plugin.handles(attributes.operation)) await plugin.validate(attributes, context);
    }
  }

  /**
   * The third pass, right before the write: what plugins hold for it, all of it to be settled when the write has ended.
   * @throws ApiError as the plugin says; then nothing is held @throws StoreError
   */
  async reserve(
    attributes: AdmissionAttributes,
    context: AdmissionContext,
    quotas: QuotaStore,
  ): Promise<Reservation | undefined> {
    const held: Reservation[] = [];
    const settle = (isWritten: boolean): void => {
      for (const one of held) one.settle(isWritten);
    };
    try {
      for (const plugin of this.#plugins) {
        if (plugin.reserve === undefined || !plugin.handles(attributes.operation)) continue;
        const reservation = await plugin.reserve(attributes, context, quotas);
        if (reservation !== undefined) held.push(reservation);
      }
    } catch (error) {
      settle(false);
      throw error;
    }
    return held.length === 0 ? undefined : { settle };
  }
}
