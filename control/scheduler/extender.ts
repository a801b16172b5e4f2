/**
 * A service outside that has a say in scheduling: it rejects nodes, scores them, changes victims of preemption, or binds. Asked by HTTP.
 * Source: upstream `pkg/scheduler/extender.go`, kube-scheduler `extender/v1/types.go`.
 */
import { errorText } from '#api/error-text.ts';
import type { Pod } from '#api/types.generated.ts';
import { askOutside } from '#client/outside-request.ts';
import type { ExtenderConfiguration } from './config/extenders.ts';
import type { PluginScores } from './decide.ts';
import { type Rejection, rejectionOf } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Candidate } from './preemption.ts';

/** Under this name rejections are known; any event may change an extender's mind. */
export const extenderName = 'Extender';

/** Names of nodes that are no answer of an extender are left out of the record. */
const silent = rejectionOf(extenderName, false);
/** Scores of extenders go to 10 (upstream's MaxExtenderPriority), those of plugins to 100. */
const scoreScale = 10;
/** An answer that repeats 5,000 whole nodes. */
const maxAnswerBytes = 256 << 20;

type Answer = Readonly<Record<string, unknown>>;

/** One extender. */
export class Extender {
  readonly #config: ExtenderConfiguration;
  readonly #signal: AbortSignal;

  /** @param signal ends what is being asked */
  constructor(config: ExtenderConfiguration, signal: AbortSignal) {
    this.#config = config;
    this.#signal = signal;
  }

  get name(): string {
    return this.#config.urlPrefix;
  }

  get ignorable(): boolean {
    return this.#config.ignorable;
  }

  get filters(): boolean {
    return this.#config.filterVerb !== undefined;
  }

  get prioritizes(): boolean {
    return this.#config.prioritizeVerb !== undefined;
  }

  get binds(): boolean {
    return this.#config.bindVerb !== undefined;
  }

  get preempts(): boolean {
    return this.#config.preemptVerb !== undefined;
  }

  /** Whether it is asked about the pod. */
  isInterested({ spec }: Pod): boolean {
    const { managedResources } = this.#config;
    if (managedResources.size === 0) return true;
    return [...spec.containers, ...(spec.initContainers ?? [])].some(({ resources = {} }) =>
      [...Object.keys(resources.requests ?? {}), ...Object.keys(resources.limits ?? {})].some((name) =>
        managedResources.has(name),
      ),
    );
  }

  /** Those of the nodes that may run the pod, and why the others may not. @throws Error it fails, or names other nodes */
  async filter(pod: Pod, nodes: readonly NodeInfo[]): Promise<{ fit: NodeInfo[]; rejections: Map<string, Rejection> }> {
    const answer = await this.#ask(this.#config.filterVerb, { Pod: pod, ...this.#nodes(nodes) });
    const problem = field(answer, 'Error');
    if (typeof problem === 'string' && problem !== '') throw new Error(problem);
    const byName = new Map(nodes.map((info) => [info.name, info]));
    const named = this.#named(answer);
    const fit = named.map((name) => {
      const info = byName.get(name);
      if (info === undefined)
        throw new Error(`extender "${this.name}" claims a filtered node "${name}" which is not found in the input node list`);
      return info;
    });
    const kept = new Set(named);
    const rejections = new Map<string, Rejection>();
    for (const { name } of nodes) if (!kept.has(name)) rejections.set(name, silent);
    for (const [list, preemptible] of [
      ['FailedNodes', true],
      ['FailedAndUnresolvableNodes', false],
    ] as const)
      for (const [name, reason] of Object.entries(objectOf(field(answer, list))))
        if (rejections.has(name)) rejections.set(name, rejectionOf(extenderName, preemptible, String(reason)));
    return { fit, rejections };
  }

  /** Its scores for the nodes. @throws Error it fails */
  async prioritize(pod: Pod, nodes: readonly NodeInfo[]): Promise<PluginScores> {
    const answer = await this.#ask(this.#config.prioritizeVerb, { Pod: pod, ...this.#nodes(nodes) });
    const byHost = new Map<unknown, number>();
    for (const one of Array.isArray(answer) ? answer : []) {
      const score = field(objectOf(one), 'Score');
      if (typeof score === 'number') byHost.set(field(objectOf(one), 'Host'), score);
    }
    const raw = nodes.map(({ name }) => byHost.get(name) ?? 0);
    return { plugin: this.name, weight: this.#config.weight, raw, scores: raw.map((score) => score * scoreScale) };
  }

  /** The candidates for preemption that it leaves, with its victims. @throws Error it fails, or names pods that are not there */
  async preempt(pod: Pod, candidates: readonly Candidate[], node: (name: string) => NodeInfo | undefined): Promise<Candidate[]> {
    const { nodeCacheCapable } = this.#config;
    const victims = candidates.map((one) => [
      one.node,
      {
        Pods: nodeCacheCapable ? one.victims.map(({ metadata }) => ({ UID: metadata.uid })) : one.victims,
        NumPDBViolations: one.violations,
      },
    ]);
    const list = nodeCacheCapable ? 'NodeNameToMetaVictims' : 'NodeNameToVictims';
    const answer = await this.#ask(this.#config.preemptVerb, { Pod: pod, [list]: Object.fromEntries(victims) });
    return Object.entries(objectOf(field(answer, 'NodeNameToMetaVictims'))).flatMap(([name, its]) => {
      const pods = node(name)?.pods;
      if (pods === undefined) throw new Error(`nodeinfo not found for node name "${name}"`);
      const listed = field(objectOf(its), 'Pods');
      const chosen = (Array.isArray(listed) ? listed : []).map((one) => {
        const uid = field(objectOf(one), 'UID');
        const found = pods.find(({ metadata }) => metadata.uid === uid);
        if (found === undefined)
          throw new Error(
            `extender: ${this.name} claims to preempt pod (UID: ${String(uid)}) on node: ${name}, but the pod is not found on that node`,
          );
        return found;
      });
      if (chosen.length === 0) {
        if (this.ignorable) return [];
        throw new Error(`expected at least one victim pod on node "${name}"`);
      }
      const violations = field(objectOf(its), 'NumPDBViolations');
      return [{ node: name, victims: chosen, violations: typeof violations === 'number' ? violations : 0 }];
    });
  }

  /** Binds the pod. @throws Error it does not */
  async bind({ metadata }: Pod, node: string): Promise<void> {
    const { name, namespace, uid } = metadata;
    const answer = await this.#ask(this.#config.bindVerb, { PodName: name, PodNamespace: namespace, PodUID: uid, Node: node });
    const problem = field(answer, 'Error');
    if (typeof problem === 'string' && problem !== '') throw new Error(problem);
  }

  #nodes(nodes: readonly NodeInfo[]): object {
    return this.#config.nodeCacheCapable
      ? { Nodes: null, NodeNames: nodes.map(({ name }) => name) }
      : { Nodes: { metadata: {}, items: nodes.map(({ node }) => node) }, NodeNames: null };
  }

  /** The names of the nodes in its answer. */
  #named(answer: Answer): string[] {
    const names = field(answer, 'NodeNames');
    if (this.#config.nodeCacheCapable && Array.isArray(names)) return names.map(String);
    const items = field(objectOf(field(answer, 'Nodes')), 'items');
    return (Array.isArray(items) ? items : []).map((one) => String(objectOf(objectOf(one)['metadata'])['name']));
  }

  async #ask(verb: string | undefined, body: object): Promise<Answer> {
    const { urlPrefix, timeoutMs, tls } = this.#config;
    const text = await askOutside({
      url: `${urlPrefix.replace(/\/+$/, '')}/${verb ?? ''}`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ca: tls.ca,
      cert: tls.cert,
      key: tls.key,
      tlsServerName: tls.serverName,
      insecureSkipTlsVerify: tls.insecure,
      timeoutMs,
      maxBytes: maxAnswerBytes,
      signal: this.#signal,
    });
    try {
      return objectOf(JSON.parse(text));
    } catch (error) {
      throw new Error(`${urlPrefix}: its answer is no JSON: ${errorText(error)}`, { cause: error });
    }
  }
}

/** Whatever is no object or list has no fields. */
const objectOf = (value: unknown): Answer => (typeof value === 'object' && value !== null ? (value as Answer) : {});

/** A field, its name in whatever case, as Go reads JSON. */
function field(object: Answer, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name];
  const lower = name.toLowerCase();
  const key = Object.keys(object).find((one) => one.toLowerCase() === lower);
  return key === undefined ? undefined : object[key];
}
