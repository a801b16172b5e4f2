/** Reports the parts of pods and nodes that the scheduler ignores. A malformed object must not affect decisions about others. */
import type { KubeObject } from '#api/meta.ts';
import { unreadableAmounts } from '#api/pod/requests.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { type LeftOut, type LeftOutReporter, leftOut, unreadable } from '#client/left-out.ts';
import { affinityProblem } from './pod-affinity.ts';

/** The reasons why parts of a pod are ignored. Empty when all can be used. */
export function podProblems(pod: Pod): string[] {
  const { spec } = pod;
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const affinity = affinityProblem(pod);
  return [
    ...(affinity === undefined ? [] : [`spec.affinity: ${affinity}`]),
    ...containers.flatMap(({ name, resources }) => unreadableAmounts(resources?.requests, `requests of container ${name}`)),
    ...unreadableAmounts(spec.resources?.requests, 'spec.resources.requests'),
    ...unreadableAmounts(spec.overhead, 'spec.overhead'),
  ];
}

/** The reasons why parts of a node are ignored. Empty when all can be used. */
export const nodeProblems = ({ status }: Node): string[] => unreadableAmounts(status?.allocatable, 'status.allocatable');

/** Applies changes of objects, and records which parts of each object could not be used. */
export class ChangeGuard {
  readonly #reporter: LeftOutReporter;
  readonly #known = new Map<string, readonly LeftOut[]>();

  constructor(reporter: LeftOutReporter) {
    this.#reporter = reporter;
  }

  /** Calls `take` for an object. When it throws, the object cannot be read at all: then calls `drop`. */
  take<T extends KubeObject>(
    kind: string,
    object: T,
    problems: (object: T) => string[],
    take: () => void,
    drop: () => void,
  ): void {
    let found: string[];
    try {
      found = problems(object);
      take();
    } catch (error) {
      found = [unreadable(error)];
      drop();
    }
    this.#note(
      object.metadata.uid,
      found.map((reason) => leftOut(kind, object, reason)),
    );
  }

  forget({ metadata }: KubeObject): void {
    this.#note(metadata.uid, []);
  }

  #note(uid: string, found: readonly LeftOut[]): void {
    if (found.length === 0 && !this.#known.delete(uid)) return;
    if (found.length > 0) this.#known.set(uid, found);
    this.#reporter.report('kube-scheduler', [...this.#known.values()].flat());
  }
}
