/**
 * What plugins said of a pod and a node, for the next pod of the same template. Plugins that look at nothing but the pod's spec and the node
 * give the same answer until the node changes, and pods mostly come in hundreds that are alike: a decision then looks only at the nodes that
 * have changed since the last one. Source of the idea: KEP-5598 (opportunistic batching).
 */
import { hostPorts } from '#api/pod/host-ports.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Candidate, Rejection, ScorePlugin } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import { podResources } from './resources.ts';
import type { Snapshot } from './snapshot.ts';

/** Maximum number of templates kept, the most recently used ones. Each takes about 100 bytes per node. */
const maxTemplates = 16;

/** What is known of one state of a node besides rejection and scores. */
export interface NodeMemo {
  /** The rejection with these pods, which are nominated to the node. */
  nominated: { pods: readonly Pod[]; rejection: Rejection | undefined } | undefined;
  /** The preemption result for this priority, valid for these nominated pods and this version of the budgets. */
  victims:
    | { priority: number; nominated: readonly Pod[] | undefined; budgets: number; result: Candidate | Rejection }
    | undefined;
}

/**
 * The answers for the pods of one template. Rejections and scores stand in arrays by the position of the node in the snapshot: a decision goes
 * through hundreds of nodes, and what it reads should lie side by side in memory.
 */
export class TemplateMemo {
  /** The state of the node at each position for which the answers hold. */
  readonly #infos: (NodeInfo | undefined)[] = [];
  readonly #rejections: (Rejection | undefined)[] = [];
  /** By the plugin's place in the profile; NaN: not asked yet. */
  readonly #scores: Float64Array[] = [];
  /** By info, which is immutable and made anew for each state: nothing is kept of earlier states and of nodes that are gone. */
  readonly #others = new WeakMap<NodeInfo, NodeMemo>();

  /** What is known of this state of the node. */
  of(info: NodeInfo): NodeMemo {
    return this.#others.getOrInsertComputed(info, () => ({ nominated: undefined, victims: undefined }));
  }

  /** Whether {@link rejection} holds for this state of the node. */
  knows(position: number, info: NodeInfo): boolean {
    return this.#infos[position] === info;
  }

  /** The rejection by plugins that see the node alone. */
  rejection(position: number): Rejection | undefined {
    return this.#rejections[position];
  }

  /** Notes what these plugins say of the node in its new state. */
  note(position: number, info: NodeInfo, rejection: Rejection | undefined): void {
    this.#infos[position] = info;
    this.#rejections[position] = rejection;
    for (const scores of this.#scores) scores[position] = Number.NaN;
  }

  /**
   * The plugin's raw numbers; it is asked only for nodes that have changed. @param place the plugin's place in the profile @param positions of
   * the feasible nodes, which are known
   */
  scores(
    plugin: ScorePlugin,
    place: number,
    pod: Pod,
    feasible: readonly NodeInfo[],
    positions: readonly number[],
    snapshot: Snapshot,
  ): number[] | undefined {
    const kept = this.#keptScores(place, snapshot.nodes.length);
    const numbers: number[] = [];
    const changed: number[] = [];
    for (let index = 0; index < positions.length; index++) {
      const number = kept[positions[index] ?? 0] ?? Number.NaN;
      numbers.push(number);
      if (Number.isNaN(number)) changed.push(index);
    }
    if (changed.length === 0) return numbers;
    const nodes = changed.map((index) => feasible[index] as NodeInfo);
    const raw = plugin.score(pod, nodes, snapshot);
    if (raw === undefined) return undefined;
    for (const [nth, index] of changed.entries()) numbers[index] = kept[positions[index] ?? 0] = raw[nth] ?? 0;
    return numbers;
  }

  #keptScores(place: number, nodes: number): Float64Array {
    const known = this.#scores[place];
    if (known !== undefined && known.length >= nodes) return known;
    const made = new Float64Array(nodes).fill(Number.NaN);
    if (known !== undefined) made.set(known);
    for (let missing = this.#scores.length; missing < place; missing++) this.#scores[missing] = new Float64Array();
    this.#scores[place] = made;
    return made;
  }
}

/** Templates by profile: the object that has its plugins. */
export class TemplateMemos {
  readonly #byPlugins = new WeakMap<object, Map<string, TemplateMemo>>();

  /** The answers for pods like this one. */
  of(plugins: object, pod: Pod): TemplateMemo {
    let templates = this.#byPlugins.get(plugins);
    if (templates === undefined) this.#byPlugins.set(plugins, (templates = new Map()));
    const key = templateOf(pod);
    const known = templates.get(key) ?? new TemplateMemo();
    // The one that was used last is the last.
    templates.delete(key);
    templates.set(key, known);
    for (const [oldest] of templates) {
      if (templates.size <= maxTemplates) break;
      templates.delete(oldest);
    }
    return known;
  }
}

/** All that plugins with `seesNodeOnly` read of a pod. */
function templateOf(pod: Pod): string {
  const { nodeName, nodeSelector, affinity, tolerations } = pod.spec;
  const { requested, nonZero } = podResources(pod);
  return JSON.stringify([nodeName, nodeSelector, affinity?.nodeAffinity, tolerations, hostPorts(pod), requested, nonZero]);
}
