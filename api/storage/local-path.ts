/**
 * What the provisioner of node-local volumes and the agents agree on. The provisioner makes PersistentVolumes of type `local`; the kubelet makes the folder
 * when a pod first mounts one. For a removal the provisioner writes its wish on the Node, where the node, and nobody else's node, answers: no agent
 * has to see other nodes' volumes, and none may change any.
 */
import { isJsonObject } from '../json.ts';
import { isDns1123Subdomain } from '../names.ts';
import { ownValue } from '../own-value.ts';
import type { Node } from '../types.generated.ts';

/** Name of the provisioner, for StorageClasses. */
export const localPathProvisioner = 'tinkernetes.io/local-path';
/** The service account of kube-system as which the provisioner acts. */
export const localPathAccount = 'local-path-provisioner';
/** Annotation of Nodes: the folder of the node's volumes. Absent: the node has none. */
export const localPathFolderAnnotation = 'tinkernetes.io/local-path-folder';
/** Annotation of Nodes: volumes to remove, a JSON object from their names to {@link Removal}. */
export const localPathRemovalsAnnotation = 'tinkernetes.io/local-path-removals';

/** `asked` by the provisioner; `done`, or why it failed, by the node. */
export type Removal = { kind: 'asked' } | { kind: 'done' } | { kind: 'failed'; why: string };

/** Parses the annotation. Invalid entries are left out. Pure. */
export function removalsOf({ metadata }: Node): Map<string, Removal> {
  const found = new Map<string, Removal>();
  const parsed = parse(ownValue(metadata.annotations ?? {}, localPathRemovalsAnnotation) ?? '{}');
  for (const [name, text] of Object.entries(parsed)) {
    if (isDns1123Subdomain(name).length > 0 || typeof text !== 'string') continue;
    if (text === 'asked' || text === 'done') found.set(name, { kind: text });
    else found.set(name, { kind: 'failed', why: text.replace(/^failed: /, '') });
  }
  return found;
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** How much of a reason is written: the annotations of an object have room for 256 KiB. */
const maxReason = 512;

/** The annotation's text; null, as a merge patch takes the annotation away, where there is nothing to say. Pure. */
export function removalsText(removals: ReadonlyMap<string, Removal>): string | null {
  if (removals.size === 0) return null;
  const entries = Array.from(removals, ([name, removal]) => [
    name,
    removal.kind === 'failed' ? `failed: ${removal.why.slice(0, maxReason)}` : removal.kind,
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}
