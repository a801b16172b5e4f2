/**
 * Keeps this machine's Node object: registers it, renews its Lease, reports its status.
 *
 * Source: upstream `pkg/kubelet/kubelet_node_status.go`, KEP-589 (leases as heartbeats).
 */

import type { Logger } from 'pino';
import type { New } from '#api/meta.ts';
import { keyOf, rfc3339Micro, sameJson } from '#api/meta.ts';
import { archLabel, hostnameLabel, osLabel } from '#api/node-labels.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { Lease, Node, NodeStatus, Taint } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { statusPatch } from '../status/status-patch.ts';
import type { NodeIdentity, NodeObservation } from './node-status.ts';
import { conditionEvents, nodeStatus, withoutHeartbeats } from './node-status.ts';
import { createPressures, shortages, thresholdMessage } from './pressure.ts';

/** What the node agent works with. `random`: in [0, 1). `observe` reads the current state of machine and runtime. */
export interface NodeAgentDeps {
  client: Client;
  clock: Clock;
  random: () => number;
  events: EventRecorder;
  log: Logger;
  observe(): Promise<NodeObservation>;
}

/** Who the node is, and how often it is reported. */
export interface NodeAgentOptions extends NodeIdentity {
  labels?: Readonly<Record<string, string>> | undefined;
  annotations?: Readonly<Record<string, string>> | undefined;
  taints?: readonly Taint[] | undefined;
  /** How often the status is computed; it is sent when it changed. */
  statusIntervalMs: number;
  /** How often an unchanged status is sent. */
  reportIntervalMs: number;
  leaseDurationSeconds: number;
  /** How long a pressure condition stays after the last shortage. */
  pressureTransitionPeriodMs: number;
}

/** Keeps the Node object and its Lease while it runs; failures are logged and tried again. */
export interface NodeAgent {
  /** The last status that this kubelet computed. */
  status(): NodeStatus | undefined;
  /** Computes the status now, and sends it if it changed. Call it when something changed that the status depends on. */
  reportNow(): void;
  /** The Node was deleted: it is registered again. */
  deleted(): void;
  run(signal: AbortSignal): Promise<void>;
}

const maxRegisterRetryMs = 7_000;
const leaseNamespace = 'kube-node-lease';

/** A node agent with upstream's events (`NodeReady`, `NodeHasSufficientMemory`, …). */
export function createNodeAgent(deps: NodeAgentDeps, options: NodeAgentOptions): NodeAgent {
  const { client, clock, events, log } = deps;
  const { nodeName } = options;
  const reference = { kind: 'Node', name: nodeName, uid: nodeName };
  const nodes = client.resource('nodes');
  const pressures = createPressures(clock, options.pressureTransitionPeriodMs);
  let node: Node | undefined;
  let current: NodeStatus | undefined;
  let sentMs = 0;
  let wake: () => void = () => undefined;
  let mustReport = false;
  let lease: Lease | undefined;
  let unschedulable = false;
  /** The node's pod ranges. A Node that is created again keeps them, since running pods and other nodes' routes use them. */
  let podCidrs: Pick<Node['spec'], 'podCIDR' | 'podCIDRs'> = {};

  const labelsOf = (architecture: string): Record<string, string> => ({
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': 'linux',
    [archLabel]: architecture,
    [hostnameLabel]: nodeName,
    [osLabel]: 'linux',
    ...options.labels,
  });

  function announce(before: NodeStatus | undefined, after: NodeStatus): void {
    for (const name of conditionEvents(before?.conditions ?? [], after.conditions ?? []))
      events.event(reference, 'Normal', name, `Node ${nodeName} status is now: ${name}`);
  }

  /** Sends the events NodeSchedulable and NodeNotSchedulable after a cordon or uncordon. */
  function announceSchedulable(): void {
    const now = node?.spec?.unschedulable === true;
    if (now === unschedulable) return;
    unschedulable = now;
    const name = now ? 'NodeNotSchedulable' : 'NodeSchedulable';
    events.event(reference, 'Normal', name, `Node ${nodeName} status is now: ${name}`);
  }

  async function compute(previous: NodeStatus): Promise<{ status: NodeStatus; observation: NodeObservation }> {
    const seen = await deps.observe();
    const short = shortages(seen, options.thresholds);
    const [first] = short;
    // Sent with each report, as upstream does: the count of the event shows how long the shortage lasts.
    if (first !== undefined) events.event(reference, 'Warning', 'EvictionThresholdMet', thresholdMessage(first));
    const observation = { ...seen, pressures: pressures(short) };
    return { observation, status: nodeStatus(options, observation, previous, clock.now()) };
  }

  /** Creates the Node. One that exists already is kept, and gets our labels and annotations. */
  async function register(): Promise<Node> {
    const { status, observation } = await compute({});
    const labels = labelsOf(observation.machine.architecture);
    const annotations = {
      'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
      ...options.annotations,
    };
    const wanted: New<Node> = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: nodeName, labels, annotations },
      spec: { ...podCidrs, ...(options.taints === undefined ? {} : { taints: [...options.taints] }) },
      status,
    };
    try {
      const created = await nodes.create(wanted);
      log.info({ node: nodeName }, 'Successfully registered node');
      announce(undefined, status);
      current = status;
      return created;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const existing = await nodes.get({ name: nodeName });
    const stale =
      Object.entries(labels).some(([key, value]) => existing.metadata.labels?.[key] !== value) ||
      Object.entries(annotations).some(([key, value]) => existing.metadata.annotations?.[key] !== value);
    log.info({ node: nodeName }, 'Node was previously registered');
    return stale ? nodes.patch({ name: nodeName }, { type: 'merge', body: { metadata: { labels, annotations } } }) : existing;
  }

  async function registerUntilDone(signal: AbortSignal): Promise<void> {
    for (let delayMs = 100; !signal.aborted; delayMs = Math.min(delayMs * 2, maxRegisterRetryMs)) {
      try {
        node = await register();
        return;
      } catch (error) {
        log.warn({ err: error, node: nodeName }, 'the node could not be registered; will be tried again');
        await sleep(clock, delayMs, signal);
      }
    }
  }

  async function report(): Promise<void> {
    if (node === undefined) return;
    // Read from the server, since other components write conditions and addresses too.
    node = await nodes.get({ name: nodeName });
    announceSchedulable();
    const { podCIDR, podCIDRs } = node.spec;
    podCidrs = { podCIDR, podCIDRs };
    const before = node.status ?? {};
    const { status } = await compute(before);
    announce(current ?? before, status);
    current = status;
    const due = clock.now() - sentMs >= options.reportIntervalMs;
    if (!due && sameJson(withoutHeartbeats(before), withoutHeartbeats(status))) return;
    const patch = statusPatch(node.metadata.uid, before, status, { conditions: 'type', addresses: 'type' });
    if (patch !== undefined)
      node = await nodes.patch({ name: nodeName }, { type: 'strategic', body: patch }, { subresource: 'status' });
    sentMs = clock.now();
  }

  async function runStatus(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      mustReport = false;
      if (node === undefined) await registerUntilDone(signal);
      try {
        await report();
      } catch (error) {
        if (isNotFound(error)) {
          node = undefined;
          continue;
        }
        log.warn({ err: error, node: nodeName }, 'the node status could not be reported; will be tried again');
      }
      if (mustReport || signal.aborted) continue;
      const pause = new AbortController();
      wake = () => pause.abort();
      await sleep(clock, options.statusIntervalMs, AbortSignal.any([pause.signal, signal]));
    }
  }

  async function renewLease(): Promise<void> {
    const leases = client.resource('leases.coordination.k8s.io');
    const spec = {
      holderIdentity: nodeName,
      leaseDurationSeconds: options.leaseDurationSeconds,
      renewTime: rfc3339Micro(clock.now()),
    };
    const owner = node === undefined ? undefined : [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid }];
    if (lease === undefined) {
      try {
        lease = await leases.get({ namespace: leaseNamespace, name: nodeName });
      } catch (error) {
        if (!isNotFound(error)) throw error;
        lease = await leases.create({
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { namespace: leaseNamespace, name: nodeName, ...(owner === undefined ? {} : { ownerReferences: owner }) },
          spec,
        });
        return;
      }
    }
    const metadata =
      lease.metadata.ownerReferences === undefined && owner !== undefined
        ? { ...lease.metadata, ownerReferences: owner }
        : lease.metadata;
    lease = await leases.update({ ...lease, metadata, spec: { ...lease.spec, ...spec } });
  }

  async function runLease(signal: AbortSignal): Promise<void> {
    const intervalMs = options.leaseDurationSeconds * 250;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await renewLease();
        failures = 0;
      } catch (error) {
        // Reads the Lease again at the next try: somebody else may have changed or removed it.
        lease = undefined;
        failures++;
        log.warn(
          { err: error, lease: keyOf({ metadata: { namespace: leaseNamespace, name: nodeName } }) },
          'the node lease could not be renewed; will be tried again',
        );
      }
      const jitter = 1 + 0.04 * deps.random();
      await sleep(clock, failures === 0 ? intervalMs * jitter : Math.min(200 * 2 ** failures, maxRegisterRetryMs), signal);
    }
  }

  return {
    status: () => current,
    reportNow() {
      mustReport = true;
      wake();
    },
    deleted() {
      node = undefined;
      lease = undefined;
      mustReport = true;
      wake();
    },
    run: (signal) => Promise.all([runStatus(signal), runLease(signal)]).then(() => undefined),
  };
}
