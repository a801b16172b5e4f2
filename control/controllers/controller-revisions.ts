/**
 * The history of DaemonSets and StatefulSets: a ControllerRevision for each pod template that there was. `kubectl rollout history`
 * and `undo` read them: the data is a patch that gives the object that template again.
 *
 * Source: kubernetes `pkg/controller/history`, `pkg/controller/{daemon/update,statefulset/stateful_set_utils}.go`.
 */
import { goJson } from '#api/go-json.ts';
import { parseExact } from '#api/int64.ts';
import { isJsonObject, type JsonObject } from '#api/json.ts';
import type { KubeObject, New } from '#api/meta.ts';
import { controllerReference, sameJson } from '#api/meta.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { ControllerRevision, PodTemplateSpec } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { creationMs } from './creation-order.ts';
import { templateHash } from './deployment-revisions.ts';

/** The label of pods that says from which revision they are. */
export const revisionLabel = 'controller-revision-hash';

/** An object with a history of its pod template. */
export interface Versioned extends KubeObject {
  spec: { template: PodTemplateSpec };
  status?: { collisionCount?: number | undefined } | undefined;
}

/**
 * The data of the revision with this template. Its keys are sorted, as Go's maps are: kubectl and upstream's controllers compare it
 * byte by byte with what they would write themselves.
 */
export const revisionData = (template: PodTemplateSpec): JsonObject =>
  parseExact(goJson({ spec: { template: { ...template, $patch: 'replace' } } } as unknown as JsonObject)) as JsonObject;

/** The template that a revision holds. Undefined when the data is not of the form that {@link revisionData} writes. */
export function templateOfRevision({ data }: ControllerRevision): PodTemplateSpec | undefined {
  const spec = isJsonObject(data) ? data['spec'] : undefined;
  const template = isJsonObject(spec) ? spec['template'] : undefined;
  if (!isJsonObject(template)) return undefined;
  const { $patch: _, ...rest } = template;
  return rest;
}

/** Sorts by revision, then by age and name. */
export const byRevision = (revisions: readonly ControllerRevision[]): ControllerRevision[] =>
  [...revisions].sort(
    (a, b) => numberOf(a) - numberOf(b) || creationMs(a) - creationMs(b) || (a.metadata.name < b.metadata.name ? -1 : 1),
  );

/** A revision is an int64. Beyond 2^53 numbers are not exact, which only a user's own revision can reach. */
const numberOf = ({ revision }: ControllerRevision): number => Number(revision);

/** The number of the next revision. */
export const nextRevision = (revisions: readonly ControllerRevision[]): number => Math.max(0, ...revisions.map(numberOf)) + 1;

/** What to do with the history so that it shows the current template. */
export interface HistoryPlan {
  /** The revision of the current template, as it is now. Undefined: `create` is to be created. */
  current: ControllerRevision | undefined;
  create: New<ControllerRevision> | undefined;
  /** The number that `current` must get, because the template was used before and is used again. */
  renumber: number | undefined;
  /** Further revisions with the same template. */
  duplicates: ControllerRevision[];
  /** All revisions of other templates, in order. */
  old: ControllerRevision[];
}

/** Compares the template with the history. Pure. @param hashLabel the label of the revision that holds the hash of its name */
export function planHistory(owner: Versioned, revisions: readonly ControllerRevision[], hashLabel: string): HistoryPlan {
  const data = revisionData(owner.spec.template);
  const equal = byRevision(revisions.filter((one) => sameJson(one.data, data)));
  const old = byRevision(revisions.filter((one) => !equal.includes(one)));
  const current = equal.pop();
  const number = nextRevision(old);
  if (current === undefined)
    return { current, create: newRevision(owner, number, hashLabel), renumber: undefined, duplicates: [], old };
  return { current, create: undefined, renumber: numberOf(current) < number ? number : undefined, duplicates: equal, old };
}

function newRevision(owner: Versioned, revision: number, hashLabel: string): New<ControllerRevision> {
  const { name, namespace, annotations } = owner.metadata;
  const { template } = owner.spec;
  const hash = templateHash(template, owner.status?.collisionCount || undefined);
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      // A name has at most 253 characters, so the owner's part of it is cut.
      name: `${name.slice(0, 223)}-${hash}`,
      namespace,
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(owner)],
    },
    data: revisionData(template),
    revision,
  };
}

/** Another revision has the name already, with another template: the owner's collision count must go up. */
export class RevisionCollision extends Error {
  override name = 'RevisionCollision';
}

/**
 * Creates the revision. One of the same name and data, which the cache does not show yet, counts as created.
 * @throws RevisionCollision when the one of the same name has other data
 */
export async function createRevision(client: Client, revision: New<ControllerRevision>): Promise<ControllerRevision> {
  const revisions = client.resource('controllerrevisions.apps');
  try {
    return await revisions.create(revision);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const { namespace, name = '' } = revision.metadata;
    const present = await revisions.get({ namespace, name });
    if (sameJson(present.data, revision.data)) return present;
    throw new RevisionCollision(`the revision ${name} of another template exists already`, { cause: error });
  }
}

/** Deletes a revision that is not needed any more. */
export async function removeRevision(client: Client, { metadata }: ControllerRevision): Promise<void> {
  const { namespace, name, uid } = metadata;
  try {
    await client.resource('controllerrevisions.apps').delete({ namespace, name }, { preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
