/**
 * Decisions that extenders take part in: after the filters, and beside the scores. Source: upstream `schedule_one.go`
 * (findNodesThatPassExtenders).
 */
import type { Logger } from 'pino';
import { errorText } from '#api/error-text.ts';
import type { Pod } from '#api/types.generated.ts';
import {
  best,
  type Choice,
  choiceOf,
  type Found,
  findNodes,
  type NodeSearch,
  type Nominations,
  type PluginScores,
  type Plugins,
  scoreNodes,
  totals,
} from './decide.ts';
import type { Extender } from './extender.ts';
import type { Candidate } from './preemption.ts';
import type { Snapshot } from './snapshot.ts';

/** Chooses a node as `chooseNode` does, and asks these extenders. @throws Error one of them fails that is not ignorable */
export async function chooseNodeAsking(
  extenders: readonly Extender[],
  pod: Pod,
  snapshot: Snapshot,
  nominations: Nominations,
  plugins: Plugins,
  random: () => number,
  search: NodeSearch,
  log: Logger,
): Promise<Choice> {
  const isAnyAsWell = plugins.scores.length === 0 && !extenders.some((one) => one.filters || one.prioritizes);
  const full = { ...plugins, findOne: isAnyAsWell };
  let found = await filtered(extenders, pod, findNodes(pod, snapshot, nominations, full, search), log);
  if (found.feasible.length === 0 && (pod.status?.nominatedNodeName ?? '') !== '') {
    // The nominated node passes the filters, but an extender rejects it: all other nodes are examined.
    const { nominatedNodeName: _, ...status } = pod.status ?? {};
    const free = { ...pod, status };
    const all = await filtered(extenders, pod, findNodes(free, snapshot, nominations, full, search), log);
    found = { ...all, rejections: new Map([...found.rejections, ...all.rejections]) };
  }
  // Nodes may have gone while the extenders were asked.
  const feasible = found.feasible.flatMap(({ name }) => snapshot.node(name) ?? []);
  const scores = feasible.length > 1 ? scoreNodes(pod, feasible, snapshot, plugins.scores) : [];
  if (feasible.length > 1) {
    const asked = extenders.filter(({ prioritizes }) => prioritizes);
    const theirs = await Promise.all(asked.map((one) => prioritized(one, pod, feasible, log)));
    scores.push(...theirs.filter((one) => one !== undefined));
  }
  return choiceOf(snapshot, { ...found, feasible }, scores, feasible[best(totals(feasible.length, scores), random)]?.name);
}

async function filtered(extenders: readonly Extender[], pod: Pod, found: Found, log: Logger): Promise<Found> {
  let { feasible } = found;
  for (const extender of extenders) {
    if (!extender.filters || feasible.length === 0) continue;
    try {
      const { fit, rejections } = await extender.filter(pod, feasible);
      feasible = fit;
      for (const [name, rejection] of rejections) found.rejections.set(name, rejection);
    } catch (error) {
      if (!extender.ignorable) throw error;
      log.info(
        { extender: extender.name, error: errorText(error) },
        'Skipping extender as it returned error and has ignorable flag set',
      );
    }
  }
  return { ...found, feasible };
}

/** Adds an extender's scores. When it fails, its scores are left out, and the others decide. */
async function prioritized(
  extender: Extender,
  pod: Pod,
  feasible: Found['feasible'],
  log: Logger,
): Promise<PluginScores | undefined> {
  try {
    return await extender.prioritize(pod, feasible);
  } catch (error) {
    log.debug({ extender: extender.name, error: errorText(error) }, "Failed to run extender's priority function");
    return undefined;
  }
}

/** The candidates for preemption that the extenders leave. @throws Error one of them fails that is not ignorable */
export async function preemptionAsking(
  extenders: readonly Extender[],
  pod: Pod,
  candidates: readonly Candidate[],
  snapshot: Snapshot,
  log: Logger,
): Promise<readonly Candidate[]> {
  let left = candidates;
  for (const extender of extenders) {
    if (!extender.preempts || left.length === 0) continue;
    try {
      left = await extender.preempt(pod, left, (name) => snapshot.node(name));
    } catch (error) {
      if (!extender.ignorable) throw error;
      log.info(
        { extender: extender.name, error: errorText(error) },
        'Skipped extender as it returned error and has ignorable flag set',
      );
    }
  }
  return left;
}
