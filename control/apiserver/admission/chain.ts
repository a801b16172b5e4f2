/**
 * Admission: calls every plugin in the order of the list: first to change the object, later to check it.
 *
 * As upstream, two parts call it: the registry for objects that are stored (creates, updates of objects, `status`, `scale`, `finalize` and
 * `ephemeralcontainers`, deletes and each object of a deleted collection); `rest/admitted.ts` for objects that are not stored (bindings,
 * evictions, tokens, reviews) and for connects.
 *
 * Source: apiserver `pkg/admission/chain.go`, `pkg/endpoints/handlers/{create,update,delete,rest}.go`.
 */
import type { AdmissionMetrics, Outcomes, StepType } from './admission-metrics.ts';
import type { AdmissionAttributes, AdmissionContext, AdmissionPlugin, Operation, QuotaStore, Reservation } from './plugin.ts';

/** The plugins of one pass for one operation. */
interface Pass {
  calls: readonly { plugin: AdmissionPlugin; took: Outcomes | undefined }[];
  took: Outcomes | undefined;
}

/** The plugins of one API server. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #metrics: AdmissionMetrics | undefined;
  /** The plugins of each pass by operation, computed once. */
  readonly #passes = new Map<Operation, Record<StepType, Pass>>();

  /** @param plugins in the order in which they are called, in each pass */
  constructor(plugins: readonly AdmissionPlugin[], metrics?: AdmissionMetrics) {
    this.#plugins = plugins;
    this.#metrics = metrics;
  }

  /**
   * The first pass: plugins may change `attributes.object`. The first refusal ends it. If a webhook or policy has changed the object, all
   * plugins are called a second time, but not a third time. @throws ApiError of the plugin that refuses
   */
  mutate(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    const { calls, took } = this.#pass(attributes.operation, 'admit');
    return timed(took, async () => {
      if (await mutateOnce(calls, attributes, context)) await mutateOnce(calls, attributes, context);
    });
  }

  /** The second pass, after all other checks of the request have passed. @throws ApiError of the plugin that refuses */
  validate(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    const { calls, took } = this.#pass(attributes.operation, 'validate');
    return timed(took, async () => {
      for (const { plugin, took: own } of calls) {
        const checking = called(own, () => plugin.validate?.(attributes, context));
        if (checking !== undefined) await checking;
      }
    });
  }

  #pass(operation: Operation, type: StepType): Pass {
    let passes = this.#passes.get(operation);
    if (passes === undefined) {
      passes = { admit: this.#passOf(operation, 'admit'), validate: this.#passOf(operation, 'validate') };
      this.#passes.set(operation, passes);
    }
    return passes[type];
  }

  #passOf(operation: Operation, type: StepType): Pass {
    const method = type === 'admit' ? 'mutate' : 'validate';
    const plugins = this.#plugins.filter((plugin) => plugin[method] !== undefined && plugin.handles(operation));
    return {
      calls: plugins.map((plugin) => ({ plugin, took: this.#metrics?.plugin(plugin.name, type, operation) })),
      took: this.#metrics?.step(type, operation),
    };
  }

  /**
   * The third pass, right before the write: plugins reserve what it uses (quotas). The caller must settle the result after the write.
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

async function mutateOnce(calls: Pass['calls'], attributes: AdmissionAttributes, context: AdmissionContext): Promise<boolean> {
  let again = false;
  for (const { plugin, took } of calls) {
    const changing = called(took, () => plugin.mutate?.(attributes, context));
    if (changing !== undefined) await changing;
    if (plugin.changedByOthers?.(attributes) === true) again = true;
  }
  return again;
}

/** A plugin that returns no promise, which is the usual case, takes no turn of the microtask queue. */
function called(took: Outcomes | undefined, work: () => void | Promise<void>): Promise<void> | undefined {
  if (took === undefined) return work() ?? undefined;
  const begunMs = performance.now();
  let working: void | Promise<void>;
  try {
    working = work();
  } catch (error) {
    took.observe(true, secondsSince(begunMs));
    throw error;
  }
  if (working instanceof Promise) return timed(took, () => working as Promise<void>, begunMs);
  took.observe(false, secondsSince(begunMs));
  return undefined;
}

async function timed(took: Outcomes | undefined, work: () => Promise<void>, begunMs = performance.now()): Promise<void> {
  try {
    await work();
  } catch (error) {
    took?.observe(true, secondsSince(begunMs));
    throw error;
  }
  took?.observe(false, secondsSince(begunMs));
}

const secondsSince = (begunMs: number): number => (performance.now() - begunMs) / 1000;
