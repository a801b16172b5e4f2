/**
 * Creates and maintains the default objects of flow control. Mandatory objects are always corrected; suggested ones only unless the
 * annotation `apf.kubernetes.io/autoupdate-spec` says that an administrator owns them.
 *
 * Source: kubernetes `pkg/registry/flowcontrol/{ensurer,rest}`.
 */
import type { New } from '#api/meta.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#api/status.ts';
import type {
  FlowSchema,
  FlowSchemaSpec,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
} from '#api/types.generated.ts';
import type { Client, ResourceClient } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import {
  autoUpdateAnnotation,
  mandatoryFlowSchemas,
  mandatoryPriorityLevels,
  suggestedFlowSchemas,
  suggestedPriorityLevels,
} from '../kinds/flowcontrol/default-objects.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { semanticEqual } from '../validation/semantic-equal.ts';

const fieldManager = 'api-priority-and-fairness-config-producer-v1';
const intervalMs = 60_000;

type Configuration = FlowSchema | PriorityLevelConfiguration;
type Specs = Readonly<Record<string, FlowSchemaSpec | PriorityLevelConfigurationSpec>>;

/** Creates and corrects the default objects. Idempotent. @throws ApiError */
export async function ensureFlowControl(client: Client): Promise<void> {
  const levels = of(client, 'PriorityLevelConfiguration', 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io');
  const schemas = of(client, 'FlowSchema', 'flowschemas.flowcontrol.apiserver.k8s.io');
  await ensureAll(levels, suggestedPriorityLevels, false);
  await ensureAll(schemas, suggestedFlowSchemas, false);
  await ensureAll(levels, mandatoryPriorityLevels, true);
  await ensureAll(schemas, mandatoryFlowSchemas, true);
  await removeOthers(schemas, { ...mandatoryFlowSchemas, ...suggestedFlowSchemas });
  await removeOthers(levels, { ...mandatoryPriorityLevels, ...suggestedPriorityLevels });
}

/** Repeats {@link ensureFlowControl} every minute until `signal` aborts. */
export async function keepFlowControl(client: Client, clock: Clock, log: ServerLog, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(clock, intervalMs, signal);
    if (signal.aborted) return;
    await ensureFlowControl(client).catch((error: unknown) => {
      log.warn({ err: error }, 'the default objects of flow control could not be brought in order; trying again');
    });
  }
}

interface Kind {
  kind: string;
  client: ResourceClient<Configuration>;
}

const of = (
  client: Client,
  kind: string,
  id: 'flowschemas.flowcontrol.apiserver.k8s.io' | 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io',
): Kind => ({ kind, client: client.resource(id) as unknown as ResourceClient<Configuration> });

async function ensureAll({ kind, client }: Kind, specs: Specs, isMandatory: boolean): Promise<void> {
  for (const [name, spec] of Object.entries(specs)) {
    const current = await find(client, name);
    if (current === undefined) {
      const metadata = { name, annotations: { [autoUpdateAnnotation]: 'true' } };
      const draft = { apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind, metadata, spec } as New<Configuration>;
      await client.create(draft, { fieldManager }).catch(unless(isAlreadyExists));
      continue;
    }
    const revised = revise(current, spec, isMandatory);
    // After a conflict the next round tries again.
    if (revised !== undefined) await client.update(revised, { fieldManager }).catch(unless(isConflict));
  }
}

/** The corrected object; undefined if nothing has to be changed. Pure. */
export function revise<T extends Configuration>(current: T, spec: T['spec'], isMandatory: boolean): T | undefined {
  const { annotations, generation } = current.metadata;
  const said = goBool(annotations?.[autoUpdateAnnotation]);
  // Without the annotation the server owns the object as long as its spec was never changed.
  const updates = isMandatory || (said ?? generation === 1);
  const isChanged = updates && !semanticEqual(current.spec, spec);
  if (!isChanged && said === updates) return undefined;
  const metadata = { ...current.metadata, annotations: { ...annotations, [autoUpdateAnnotation]: String(updates) } };
  return { ...current, metadata, spec: isChanged ? spec : current.spec };
}

/** Default objects of earlier versions that do not exist any more. */
async function removeOthers({ client }: Kind, wanted: Specs): Promise<void> {
  for (const { metadata } of (await client.list()).items) {
    if (Object.hasOwn(wanted, metadata.name) || goBool(metadata.annotations?.[autoUpdateAnnotation]) !== true) continue;
    await client.delete({ name: metadata.name }).catch(unless(isNotFound));
  }
}

async function find(client: ResourceClient<Configuration>, name: string): Promise<Configuration | undefined> {
  try {
    return await client.get({ name });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const unless =
  (isExpected: (error: unknown) => boolean) =>
  (error: unknown): void => {
    if (!isExpected(error)) throw error;
  };

/** As Go's strconv.ParseBool; undefined for what it refuses. */
function goBool(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined;
}
