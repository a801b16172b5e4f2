/** The status of one autoscaler during a reconcile: its conditions, events, and the write. */
import { errorText } from '#api/error-text.ts';
import { rfc3339, sameJson } from '#api/meta.ts';
import type {
  AutoscalingV2HorizontalPodAutoscaler as Autoscaler,
  HorizontalPodAutoscalerCondition as Condition,
  MetricStatus,
} from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { ScalingError } from './scaling-error.ts';

/** Collects the conditions, and writes the status if it has changed. */
export class AutoscalerStatus {
  readonly #deps: Pick<ControllerDeps, 'client' | 'clock' | 'events'>;
  readonly #hpa: Autoscaler;
  #conditions: Condition[];

  constructor(deps: Pick<ControllerDeps, 'client' | 'clock' | 'events'>, hpa: Autoscaler) {
    this.#deps = deps;
    this.#hpa = hpa;
    this.#conditions = [...(hpa.status?.conditions ?? [])];
  }

  /** Records an event. */
  event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#deps.events.event(this.#hpa, type, reason, message);
  }

  /** Sets a condition. It keeps its transition time if the status does not change. */
  set(type: string, status: 'True' | 'False', reason: string, message: string): void {
    const now = rfc3339(this.#deps.clock.now());
    const old = this.#conditions.find((one) => one.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : now;
    const condition: Condition = { type, status, reason, message, lastTransitionTime };
    this.#conditions =
      old === undefined ? [...this.#conditions, condition] : this.#conditions.map((one) => (one.type === type ? condition : one));
  }

  /** Removes a condition. */
  remove(type: string): void {
    this.#conditions = this.#conditions.filter((one) => one.type !== type);
  }

  /** Writes only the conditions, when the rest of the status is unknown. @throws ScalingError */
  async writeConditions(): Promise<void> {
    const { status } = this.#hpa;
    await this.#put({ desiredReplicas: 0, ...status, conditions: this.#conditions });
  }

  /** Writes counts, metrics and conditions. @param isScaled sets the last scale time to now @throws ScalingError */
  async write(current: number, desired: number, metrics: MetricStatus[], isScaled: boolean): Promise<void> {
    const lastScaleTime = isScaled ? rfc3339(this.#deps.clock.now()) : this.#hpa.status?.lastScaleTime;
    await this.#put({
      currentReplicas: current,
      desiredReplicas: desired,
      ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
      currentMetrics: metrics,
      conditions: this.#conditions,
    });
  }

  /** @throws ScalingError */
  async #put(status: NonNullable<Autoscaler['status']>): Promise<void> {
    const { currentMetrics = [], ...rest } = status;
    const wanted = { ...rest, currentMetrics: currentMetrics.length === 0 ? null : currentMetrics };
    const { currentMetrics: oldMetrics, ...old } = this.#hpa.status ?? { desiredReplicas: 0 };
    if (sameJson(withoutAbsent(wanted), withoutAbsent({ ...old, currentMetrics: oldMetrics ?? null }))) return;
    try {
      await this.#deps.client
        .resource('horizontalpodautoscalers.autoscaling')
        .updateStatus({ ...this.#hpa, status: { ...rest, ...(currentMetrics.length === 0 ? {} : { currentMetrics }) } });
    } catch (error) {
      const text = errorText(error);
      this.event('Warning', 'FailedUpdateStatus', text);
      throw new ScalingError(`failed to update status for ${this.#hpa.metadata.name}: ${text}`, 'internal', { cause: error });
    }
  }
}

const withoutAbsent = (value: object): unknown => JSON.parse(JSON.stringify(value));
