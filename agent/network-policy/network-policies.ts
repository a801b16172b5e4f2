/**
 * NetworkPolicies of one node: keeps the rules of the kernel as policies, namespaces and pods ask for it, and tells when those of a new pod
 * are there.
 *
 * Watches: NetworkPolicy, Namespace, Pod.  Writes: one table of nftables, events.
 * Source: kubernetes.io, "Network Policies" (pod lifecycle: isolation is there before the pod's containers start).
 */
import type { Logger } from 'pino';
import { errorText } from '#api/error-text.ts';
import { type KubeObject, keyOf } from '#api/meta.ts';
import type { Namespace, NetworkPolicy, Pod } from '#api/types.generated.ts';
import type { ResourceClient } from '#client/client.ts';
import { type Clock, sleep, within } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Informer } from '#client/informer.ts';
import { type LeftOut, type LeftOutReporter, leftOut, unreadable } from '#client/left-out.ts';
import { compilePolicy } from './compiled-policy.ts';
import { recordSync } from './metrics.ts';
import { PodSource } from './pod-source.ts';
import { hasOwnNetwork } from './policy-pod.ts';
import { PolicyState } from './policy-state.ts';
import type { PolicyTable } from './policy-table.ts';
import { changeScript, fullScript, isIntact, type PolicyRuleset } from './ruleset.ts';

/** What network policies work with. */
export interface NetworkPoliciesDeps {
  policies: Informer<NetworkPolicy>;
  namespaces: Informer<Namespace>;
  /** All pods of the cluster. */
  pods: Informer<Pod>;
  /** Asks for the policies that a new pod must have: the informer may lag behind. */
  client: Pick<ResourceClient<NetworkPolicy>, 'list'>;
  table: PolicyTable;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  leftOut: LeftOutReporter;
}

/** Network policies that {@link createNetworkPolicies} has made. */
export interface NetworkPolicies {
  /** Keeps the rules in place until `signal` aborts. They stay after that, so that a restart of the agent opens no pod. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Resolves when the kernel has the rules for a pod whose sandbox has these addresses: only then may its containers start. A pod that no
   * policy selects waits for no rules.
   * @throws Error that says what is missing, when that takes longer than {@link admitLimitMs}; the signal's reason when it aborts
   */
  admit(pod: Pod, ips: readonly string[], signal: AbortSignal): Promise<void>;
}

/** How long the containers of a pod wait for its rules before the kubelet says so and tries again later. */
export const admitLimitMs = 15_000;
const listLimitMs = 3_000;
/** How often the table is compared with what was written, also while changes come all the time. */
const checkMs = 10_000;
/** How often the whole table is written anew: elements that somebody else has changed are not seen by the comparison. */
const rewriteMs = 600_000;
const retryMs = 1_000;

/** @param nodeName the node whose pods are isolated */
export function createNetworkPolicies(deps: NetworkPoliciesDeps, nodeName: string): NetworkPolicies {
  return new NodeNetworkPolicies(deps, nodeName);
}

class NodeNetworkPolicies implements NetworkPolicies {
  readonly #deps: NetworkPoliciesDeps;
  readonly #nodeName: string;
  readonly #source: PodSource;
  readonly #state: PolicyState;
  readonly #leftOut = new Map<string, LeftOut[]>();
  /** Counts the changes that the kernel has to have. */
  #wanted = 0;
  #written = 0;
  #ruleset: PolicyRuleset | undefined;
  #writtenAtMs = 0;
  #checkedAtMs = 0;
  #isSynced = false;
  /** The newest revision of a policy that is known here. */
  #policyRevision = 0n;
  #problem: string | undefined;
  #wake: () => void = () => undefined;
  readonly #waiting = new Set<() => void>();

  constructor(deps: NetworkPoliciesDeps, nodeName: string) {
    this.#deps = deps;
    this.#nodeName = nodeName;
    this.#source = new PodSource(deps.pods.cache);
    this.#state = new PolicyState(nodeName, ({ key }) => this.#source.rank(key));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { policies, namespaces, pods, clock } = this.#deps;
    const stops = [
      policies.subscribe(handler((policy, isGone) => this.#putPolicy(policy, isGone))),
      namespaces.subscribe(handler((namespace, isGone) => this.#putNamespace(namespace, isGone))),
      pods.subscribe(
        handler((pod, isGone) => {
          if (isGone) this.#source.deleted(pod);
          this.#putPod(keyOf(pod));
        }),
      ),
    ];
    try {
      await Promise.all([policies, namespaces, pods].map((one) => one.untilSynced(signal)));
      this.#isSynced = true;
      while (!signal.aborted) {
        const woken = new AbortController();
        this.#wake = () => woken.abort();
        const isWritten = await this.#sync();
        if (this.#wanted === this.#written || !isWritten)
          await sleep(clock, isWritten ? checkMs : retryMs, isWritten ? AbortSignal.any([signal, woken.signal]) : signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const stop of stops) stop();
    }
  }

  async admit(pod: Pod, ips: readonly string[], signal: AbortSignal): Promise<void> {
    if (!hasOwnNetwork(pod) || ips.length === 0) return;
    const { clock } = this.#deps;
    const key = this.#source.admit(pod, ips, clock.now());
    this.#putPod(key);
    const over = new AbortController();
    const isDone = await within(clock, admitLimitMs, this.#admitted(pod, key, AbortSignal.any([signal, over.signal])), signal);
    over.abort();
    signal.throwIfAborted();
    if (!isDone) throw new Error(this.#problem ?? this.#missing());
  }

  #missing(): string {
    return this.#isSynced
      ? 'the rules are not in the kernel yet'
      : 'policies, namespaces and pods have not been read from the API server yet';
  }

  /** Settles when the kernel has what the pod needs, or the signal aborts. */
  async #admitted(pod: Pod, key: string, signal: AbortSignal): Promise<void> {
    await this.#until(() => this.#isSynced, signal);
    await this.#untilCurrent(pod.metadata.namespace ?? '', signal);
    const wanted = this.#wanted;
    await this.#until(() => this.#written >= wanted || !this.#state.isIsolated(key), signal);
  }

  /** Waits until the policies that the API server has now are known here. A server that does not answer is not waited for. */
  async #untilCurrent(namespace: string, signal: AbortSignal): Promise<void> {
    const { client, log, clock } = this.#deps;
    let listed: NetworkPolicy[] = [];
    const list = client.list({ namespace }, signal).then(
      ({ items }) => void (listed = items),
      (error: unknown) => {
        if (!signal.aborted)
          log.warn({ err: error, namespace }, 'network policies could not be listed; going on with those known');
      },
    );
    await within(clock, listLimitMs, list, signal);
    await this.#until(() => listed.every((policy) => revisionOf(policy) <= this.#policyRevision), signal);
  }

  /** Waits for a condition that changes with policies, pods or writes. */
  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !condition()) {
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          this.#waiting.delete(settle);
          signal.removeEventListener('abort', settle);
          resolve();
        };
        this.#waiting.add(settle);
        signal.addEventListener('abort', settle, { once: true });
      });
    }
  }

  #changed(): void {
    this.#wanted++;
    this.#wake();
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    for (const settle of this.#waiting) settle();
  }

  #putPolicy(policy: NetworkPolicy, isGone: boolean): void {
    const key = keyOf(policy);
    const revision = revisionOf(policy);
    if (revision > this.#policyRevision) this.#policyRevision = revision;
    const found: LeftOut[] = [];
    if (isGone) this.#state.removePolicy(key);
    else
      try {
        const compiled = compilePolicy(policy);
        for (const problem of compiled.problems) found.push(leftOut('NetworkPolicy', policy, problem));
        this.#state.putPolicy(compiled);
      } catch (error) {
        this.#state.removePolicy(key);
        found.push(leftOut('NetworkPolicy', policy, unreadable(error)));
      }
    this.#reportLeftOut(`NetworkPolicy ${key}`, found);
    this.#changed();
  }

  #putNamespace(namespace: Namespace, isGone: boolean): void {
    this.#state.putNamespace(namespace.metadata.name, isGone ? undefined : (namespace.metadata.labels ?? {}));
    this.#changed();
  }

  #putPod(key: string): void {
    const found: LeftOut[] = [];
    let isChanged = true;
    try {
      const pod = this.#source.pod(key);
      if (pod === undefined) this.#state.removePod(key);
      else isChanged = this.#state.putPod(pod);
    } catch (error) {
      this.#state.removePod(key);
      found.push(leftOut('Pod', this.#deps.pods.cache.get(key), unreadable(error)));
    }
    this.#reportLeftOut(`Pod ${key}`, found);
    if (isChanged) this.#changed();
  }

  #reportLeftOut(key: string, found: LeftOut[]): void {
    if (found.length === 0 && !this.#leftOut.has(key)) return;
    if (found.length === 0) this.#leftOut.delete(key);
    else this.#leftOut.set(key, found);
    this.#deps.leftOut.report('network policies', [...this.#leftOut.values()].flat());
  }

  /** Brings the kernel to the present state. @returns whether it is there */
  async #sync(): Promise<boolean> {
    const { clock, table } = this.#deps;
    const wanted = this.#wanted;
    const startMs = clock.now();
    for (const key of this.#source.forget(startMs)) this.#putPod(key);
    try {
      const before = startMs - this.#checkedAtMs >= checkMs ? await this.#untouched(startMs) : this.#ruleset;
      const now = this.#state.ruleset();
      this.#ruleset = undefined;
      if (before === undefined) {
        await table.apply(fullScript(now));
        this.#writtenAtMs = startMs;
      } else {
        const { text, garbage } = changeScript(before, now);
        if (text !== '') await table.apply(text);
        if (garbage !== '') await table.apply(garbage);
      }
      this.#ruleset = now;
      this.#written = wanted;
      this.#tellProblem(undefined);
    } catch (error) {
      this.#tellProblem(`network policies are not in the kernel: ${errorText(error)}`);
    }
    recordSync({ seconds: (clock.now() - startMs) / 1000, isWritten: this.#problem === undefined, state: this.#state });
    this.#tellWaiting();
    return this.#problem === undefined;
  }

  /** What the kernel has of us; undefined when others have changed it, or it is time to write all of it. */
  async #untouched(nowMs: number): Promise<PolicyRuleset | undefined> {
    const ruleset = this.#ruleset;
    this.#checkedAtMs = nowMs;
    if (ruleset === undefined || nowMs - this.#writtenAtMs >= rewriteMs) return undefined;
    if (isIntact(await this.#deps.table.read(), ruleset)) return ruleset;
    this.#deps.log.warn('network policies: the table in the kernel was changed by others; it is written anew');
    return undefined;
  }

  #tellProblem(problem: string | undefined): void {
    if (problem !== undefined && problem !== this.#problem) {
      this.#deps.log.error({ problem }, 'network policies');
      const node = { kind: 'Node', name: this.#nodeName, uid: this.#nodeName };
      this.#deps.events.event(node, 'Warning', 'NetworkPolicyNotReady', problem);
    }
    this.#problem = problem;
  }
}

/** Revisions are numbers (KEP-5504). One that is none is never waited for. */
const revisionOf = ({ metadata: { resourceVersion } }: NetworkPolicy): bigint =>
  /^\d+$/.test(resourceVersion) ? BigInt(resourceVersion) : 0n;

const handler = <T extends KubeObject>(put: (object: T, isGone: boolean) => void) => ({
  added: (object: T) => put(object, false),
  updated: (object: T) => put(object, false),
  deleted: (object: T) => put(object, true),
});
