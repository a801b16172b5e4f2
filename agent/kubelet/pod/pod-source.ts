/**
 * Passes the pods of this node to the kubelet, except those that it cannot run. Names and UIDs become parts of paths, control groups, log
 * folders and arguments of CNI plugins. They are checked here, once, as upstream's validation does; no other part of the kubelet checks
 * them again. A pod that fails the check is refused and reported, and the others go on.
 */
import { type KubeObject, keyOf } from '#api/meta.ts';
import { isDns1123Label, isDns1123Subdomain } from '#api/names.ts';
import { allContainers } from '#api/pod/containers.ts';
import type { Pod, SeccompProfile } from '#api/types.generated.ts';
import type { InformerHandler } from '#client/informer.ts';
import { type LeftOut, type LeftOutReporter, leftOut, unreadable } from '#client/left-out.ts';

/** Receives the pods of this node and their changes. */
export interface PodSink {
  /** New, or another version of a pod that was taken before. */
  changed(pod: Pod): void;
  /** The pod left the API. @param last its last version; absent when another pod has its name now */
  gone(uid: string, last?: Pod): void;
  /** A pod with a valid name and UID that cannot be run. It was never passed to `changed`. */
  refused(pod: Pod, why: string): void;
  /** A pod that was refused left the API. */
  forgotten(uid: string): void;
}

/** Hands the informer's pods to the kubelet, except those that it cannot take. */
export class PodSource implements InformerHandler<Pod> {
  readonly #sink: PodSink;
  readonly #report: LeftOutReporter;
  /** By namespace and name: the newest version that could be taken. */
  readonly #taken = new Map<string, Pod>();
  /** The key of the taken pod that has the UID. */
  readonly #keys = new Map<string, string>();
  readonly #refused = new Map<string, LeftOut>();

  constructor(sink: PodSink, report: LeftOutReporter) {
    this.#sink = sink;
    this.#report = report;
  }

  added(pod: Pod): void {
    this.#see(pod);
  }

  updated(pod: Pod): void {
    this.#see(pod);
  }

  deleted(pod: Pod): void {
    const key = keyOf(pod);
    const known = this.#taken.get(key);
    if (known !== undefined) {
      this.#drop(key, known);
      const isUsable = known.metadata.uid === pod.metadata.uid && podProblem(pod) === undefined;
      this.#sink.gone(known.metadata.uid, isUsable ? pod : known);
    } else if (this.#refused.has(key) && identityProblem(pod) === undefined && !this.#keys.has(pod.metadata.uid))
      this.#sink.forgotten(pod.metadata.uid);
    this.#accept(key);
  }

  #see(pod: Pod): void {
    const key = keyOf(pod);
    let known = this.#taken.get(key);
    if (known !== undefined && known.metadata.uid !== pod.metadata.uid) {
      this.#drop(key, known);
      this.#sink.gone(known.metadata.uid);
      known = undefined;
    }
    const why = this.#duplicate(key, pod) ?? podProblem(pod);
    if (why === undefined) {
      this.#take(key, pod);
      this.#accept(key);
      return;
    }
    this.#refused.set(key, leftOut('Pod', pod, why));
    this.#tell();
    if (known === undefined) {
      if (identityProblem(pod) === undefined && !this.#keys.has(pod.metadata.uid)) this.#sink.refused(pod, why);
      return;
    }
    // Keep the version that runs, and take over only the deletion.
    const { deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } = pod.metadata;
    if (deletionTimestamp !== undefined)
      this.#take(key, {
        ...known,
        metadata: { ...known.metadata, resourceVersion, deletionTimestamp, deletionGracePeriodSeconds },
      });
  }

  #duplicate(key: string, { metadata: { uid } }: Pod): string | undefined {
    const other = this.#keys.get(uid);
    return other === undefined || other === key ? undefined : `metadata.uid: it is that of the pod ${other}`;
  }

  #take(key: string, pod: Pod): void {
    this.#taken.set(key, pod);
    this.#keys.set(pod.metadata.uid, key);
    this.#sink.changed(pod);
  }

  #drop(key: string, pod: Pod): void {
    this.#taken.delete(key);
    this.#keys.delete(pod.metadata.uid);
  }

  #accept(key: string): void {
    if (this.#refused.delete(key)) this.#tell();
  }

  #tell(): void {
    this.#report.report('kubelet', [...this.#refused.values()]);
  }
}

/**
 * Why the kubelet cannot take a pod: `spec.containers[0].name: …`; undefined: it can. Pure. Never throws, whatever shape the
 * object has.
 */
export function podProblem(pod: Pod): string | undefined {
  try {
    return identityProblem(pod) ?? [...specProblems(pod)][0];
  } catch (error) {
    return unreadable(error);
  }
}

/**
 * UIDs that can be a part of file and cgroup names (the API makes UUIDs). `_` is excluded: it separates the parts of a log
 * folder's name.
 */
const uidPattern = /^[A-Za-z0-9][-.A-Za-z0-9]{0,127}$/;

function identityProblem({ metadata: { name, namespace, uid } }: KubeObject): string | undefined {
  if (typeof uid !== 'string' || !uidPattern.test(uid)) return `metadata.uid: ${shown(uid)} cannot name a folder`;
  return problem('metadata.name', name, isDns1123Subdomain) ?? problem('metadata.namespace', namespace ?? '', isDns1123Label);
}

function* specProblems(pod: Pod): Generator<string> {
  const { spec } = pod;
  if (!Array.isArray(spec.containers) || spec.containers.length === 0) yield 'spec.containers: there are none';
  yield* namesProblems(
    'spec.containers',
    Array.from(allContainers(pod), ({ container }) => container.name),
  );
  yield* namesProblems(
    'spec.volumes',
    (spec.volumes ?? []).map(({ name }) => name),
  );
  const { hostname = '', subdomain = '', hostnameOverride = '' } = spec;
  if (hostname !== '') yield* found(problem('spec.hostname', hostname, isDns1123Label));
  if (subdomain !== '') yield* found(problem('spec.subdomain', subdomain, isDns1123Label));
  if (hostnameOverride !== '') yield* found(problem('spec.hostnameOverride', hostnameOverride, isDns1123Subdomain));
  yield* found(seccompProblem(spec.securityContext?.seccompProfile));
  for (const { container } of allContainers(pod)) yield* found(seccompProblem(container.securityContext?.seccompProfile));
}

function* namesProblems(path: string, names: readonly string[]): Generator<string> {
  const seen = new Set<string>();
  for (const name of names) {
    yield* found(problem(`${path}[].name`, name, isDns1123Label));
    if (seen.has(name)) yield `${path}[].name: ${shown(name)} occurs twice`;
    seen.add(name);
  }
}

/** The profile must name a file within the kubelet's folder of profiles. */
function seccompProblem({ localhostProfile = '' }: Partial<SeccompProfile> = {}): string | undefined {
  const leaves =
    localhostProfile.startsWith('/') || localhostProfile.includes('\0') || localhostProfile.split('/').includes('..');
  return leaves ? `seccompProfile.localhostProfile: ${shown(localhostProfile)} leads out of the folder of profiles` : undefined;
}

function problem(path: string, name: unknown, check: (text: string) => string[]): string | undefined {
  const why = typeof name === 'string' ? check(name)[0] : 'it is no text';
  return why === undefined ? undefined : `${path}: ${shown(name)}: ${why}`;
}

const found = (text: string | undefined): string[] => (text === undefined ? [] : [text]);

/** The value for a message, cut to 80 characters. */
const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80);
