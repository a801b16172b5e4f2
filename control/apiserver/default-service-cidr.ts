/**
 * The ServiceCIDR `kubernetes`: the range of `--service-cluster-ip-range` as an object. It is created if it is missing. If it differs from
 * the flag, it is not changed, and an event is written once. Its condition Ready is set.
 *
 * Source: upstream `pkg/controlplane/controller/defaultservicecidr`.
 */
import { type New, rfc3339, sameJson } from '#api/meta.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { ServiceCIDR } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { defaultServiceCidr as name } from './kinds/core/service/service-ranges.ts';
import type { ServerLog } from './serving/server-log.ts';

/** The component in its events and managedFields. */
export const defaultServiceCidrComponent = 'kubernetes-service-cidr-controller';
/** Upstream's interval. */
const intervalMs = 10_000;
const resource = 'servicecidrs.networking.k8s.io';

/** What {@link DefaultServiceCidr} needs. */
export interface DefaultServiceCidrDeps {
  client: Client;
  clock: Clock;
  events: EventRecorder;
  log: ServerLog;
}

/**
 * Creates the ServiceCIDR `kubernetes` with the flag's range and maintains its condition. Source: upstream
 * `pkg/controlplane/controller/defaultservicecidr`.
 */
export class DefaultServiceCidr {
  readonly #deps: DefaultServiceCidrDeps;
  readonly #cidrs: readonly string[];
  #toldMismatch = false;
  #toldNotReady = false;

  /** @param cidrs of the flag, one for each IP family. The family of the first is the default of services */
  constructor(deps: DefaultServiceCidrDeps, cidrs: readonly string[]) {
    this.#deps = deps;
    this.#cidrs = cidrs;
  }

  /** @throws ApiError if it cannot be read or created */
  async sync(): Promise<void> {
    const { client, events } = this.#deps;
    const found = await this.#find();
    if (found === undefined) return await this.#report(await this.#create());
    const old = found.spec.cidrs ?? [];
    if (this.#cidrs.length !== 2 || old.length !== 1 || old[0] !== this.#cidrs[0]) return await this.#report(found);
    await client
      .resource(resource)
      .update({ ...found, spec: { cidrs: [...this.#cidrs] } })
      .catch((error: unknown) => {
        const what = `The default ServiceCIDR can not be upgraded from ${old[0]} to dual stack ${goList(this.#cidrs)} : ${String(error)}`;
        events.event(found, 'Warning', 'KubernetesDefaultServiceCIDRError', what);
      });
  }

  /** Repeats {@link sync} until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    while (!signal.aborted) {
      await sleep(clock, intervalMs, signal);
      if (signal.aborted) return;
      await this.sync().catch((error: unknown) => {
        log.warn({ err: error }, 'the default ServiceCIDR could not be brought in order; trying again');
      });
    }
  }

  async #find(): Promise<ServiceCIDR | undefined> {
    try {
      return await this.#deps.client.resource(resource).get({ name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #create(): Promise<ServiceCIDR> {
    const draft = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name },
      spec: { cidrs: [...this.#cidrs] },
    };
    try {
      return await this.#deps.client.resource(resource).create(draft as New<ServiceCIDR>);
    } catch (error) {
      // Another server has created it first.
      if (isAlreadyExists(error)) return await this.#deps.client.resource(resource).get({ name });
      throw error;
    }
  }

  /** Sets Ready if the condition is not set, and the object agrees with the flag. */
  async #report(serviceCidr: ServiceCIDR): Promise<void> {
    const { client, clock, events, log } = this.#deps;
    // Its deletion is handled by the controller manager.
    if (serviceCidr.metadata.deletionTimestamp !== undefined) return;
    const { cidrs = [] } = serviceCidr.spec;
    if (!sameJson(cidrs, this.#cidrs)) {
      const what = `The default ServiceCIDR ${goList(cidrs)} does not match the controller flag configurations ${goList(this.#cidrs)}`;
      if (!this.#toldMismatch) events.event(serviceCidr, 'Warning', 'KubernetesDefaultServiceCIDRInconsistent', what);
      this.#toldMismatch = true;
      return;
    }
    const ready = (serviceCidr.status?.conditions ?? []).find(({ type }) => type === 'Ready');
    if (ready?.status === 'True') return;
    if (ready?.status === 'False') {
      const what = `Configuration matches, but ${ready.message}`;
      if (!this.#toldNotReady) events.event(serviceCidr, 'Warning', ready.reason, what);
      this.#toldNotReady = true;
      return;
    }
    const message = 'Kubernetes default Service CIDR is ready';
    const condition = { type: 'Ready', status: 'True', message, lastTransitionTime: rfc3339(clock.now()) };
    const body = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name },
      status: { conditions: [condition] },
    };
    const patch = { type: 'apply', body, fieldManager: defaultServiceCidrComponent, force: true } as const;
    try {
      await client.resource(resource).patch({ name }, patch, { subresource: 'status' });
    } catch (error) {
      log.warn({ err: error }, 'the status of the default ServiceCIDR could not be written; trying again');
      const what = 'The default ServiceCIDR Status can not be set to Ready=True';
      events.event(serviceCidr, 'Warning', 'KubernetesDefaultServiceCIDRError', what);
    }
  }
}

/** As Go prints a list of strings. */
const goList = (items: readonly string[]): string => `[${items.join(' ')}]`;
