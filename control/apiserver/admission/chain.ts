/**
 * Admission: calls every plugin, in the order of the list; first those that change the object, later those that only check it.
 *
 * As upstream, two parts call it: the registry for objects that are stored (creates, updates of objects, `status`, `scale`, `finalize` and
 * `ephemeralcontainers`, deletes and each object of a deleted collection); `rest/admitted.ts` for objects that are not stored (bindings,
 * evictions, tokens, reviews) and for connects.
 *
 * Source: apiserver `pkg/admission/chain.go`, `pkg/endpoints/handlers/{create,update,delete,rest}.go`.
 */
import type { AdmissionMetrics, StepType } from './admission-metrics.ts';
import type { AdmissionAttributes, AdmissionContext, AdmissionPlugin, QuotaStore, Reservation } from './plugin.ts';

/** The plugins of one API server. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #metrics: AdmissionMetrics | undefined;

  /** @param plugins in the order in which they are called, in each pass */
  constructor(plugins: readonly AdmissionPlugin[], metrics?: AdmissionMetrics) {
    this.#plugins = plugins;
    this.#metrics = metrics;
  }

  /**
   * The first pass: plugins may change `attributes.object`. The first refusal ends it. What somebody outside has changed is looked at by all
   * plugins a second time, and no third. @throws ApiError of the plugin that refuses
   */
  async mutate(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    await this.#timed('admit', attributes, undefined, async () => {
      if (await this.#mutateOnce(attributes, context)) await this.#mutateOnce(attributes, context);
    });
  }

  async #mutateOnce(attributes: AdmissionAttributes, context: AdmissionContext): Promise<boolean> {
    let again = false;
    for (const plugin of this.#plugins) {
      if (plugin.mutate === undefined || !plugin.handles(attributes.operation)) continue;
      const { mutate } = plugin;
      await this.#timed('admit', attributes, plugin, () => mutate.call(plugin, attributes, context));
      if (plugin.changedByOthers?.(attributes) === true) again = true;
    }
    return again;
  }

  /** The second pass, after all other checks of the request have passed. @throws ApiError of the plugin that refuses */
  async validate(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    await this.#timed('validate', attributes, undefined, async () => {
      for (const plugin of this.#plugins) {
        const { validate } = plugin;
        if (validate === undefined || !plugin.handles(attributes.operation)) continue;
        await this.#timed('validate', attributes, plugin, () => validate.call(plugin, attributes, context));
      }
    });
  }

  /** @param plugin undefined: all of them */
  async #timed(
    type: StepType,
    { operation }: AdmissionAttributes,
    plugin: AdmissionPlugin | undefined,
    work: () => void | Promise<void>,
  ): Promise<void> {
    if (this.#metrics === undefined) return await work();
    const begunMs = performance.now();
    let isRejected = true;
    try {
      await work();
      isRejected = false;
    } finally {
      const seconds = (performance.now() - begunMs) / 1000;
      if (plugin === undefined) this.#metrics.step(type, operation, isRejected, seconds);
      else this.#metrics.plugin(plugin.name, type, operation, isRejected, seconds);
    }
  }

  /**
   * The third pass, right before the write: plugins reserve what it uses (quotas). The caller settles the result when the write has ended.
   * @throws ApiError of the plugin that refuses; then nothing is reserved @throws StoreError
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
