/** The subresource `scale`, alike for every kind that has a number of replicas. Source: kubernetes `pkg/registry/apps/<kind>/storage`. */
import { invalidValue } from '#api/field-error.ts';
import type { KubeObject } from '#api/meta.ts';
import { formatLabelSelector, labelMatcherOfMap, labelMatcherText } from '#api/selector.ts';
import { invalid } from '#api/status.ts';
import type { LabelSelector, Scale } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import { CachedObject } from '../cache/cached-object.ts';
import type { TableColumns } from '../registry/strategy.ts';
import { type Answer, type Exchange, respondAs, type ServedSubresource, writeContext } from '../rest/exchange.ts';
import { checkName, patchRequest, readObject } from '../rest/write-handlers.ts';
import { scaleColumns } from './scale-columns.ts';

const scaleType = { apiVersion: 'autoscaling/v1', kind: 'Scale', type: 'autoscaling/v1.Scale' };

interface Scaled extends KubeObject {
  spec?: { replicas?: number; selector?: LabelSelector | Record<string, string> };
  status?: { replicas?: number };
}

/** Of kinds with `spec.replicas`, `status.replicas` and a label selector `spec.selector`, which is a plain map in ReplicationControllers. */
export const scaleSubresource: ServedSubresource = {
  carries: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  handlers: { get: getScale, update: writeScale, patch: writeScale },
};

function scaleOf(object: Scaled): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: object.spec?.replicas ?? 0 },
    status: { replicas: object.status?.replicas ?? 0, selector: selectorText(object) },
  } as Scale;
}

function selectorText({ kind, spec }: Scaled): string {
  if (kind !== 'ReplicationController') return formatLabelSelector(spec?.selector);
  return labelMatcherText(labelMatcherOfMap(spec?.selector as Record<string, string>));
}

function respondWithScale(exchange: Exchange, cached: CachedObject): Answer {
  const scale = new CachedObject(cached.key, cached.revision, scaleOf(cached.object as Scaled) as unknown as KubeObject);
  return respondAs(exchange, 200, scale, scaleType.type, { table: scaleColumns as TableColumns<KubeObject> });
}

async function getScale(exchange: Exchange): Promise<TransportResponse> {
  return respondWithScale(exchange, await exchange.parts.registry.get(exchange.resource, exchange.info));
}

/** PUT and PATCH: only `spec.replicas` counts. */
async function writeScale(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource, request } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const isPatch = request.method === 'PATCH';
  const patch = isPatch ? await patchRequest(exchange, scaleType, 'scale', '') : undefined;
  const submitted = isPatch ? undefined : ((await readObject(exchange, scaleType, 'UpdateOptions')) as unknown as Scale);
  if (submitted !== undefined) checkName(submitted as unknown as KubeObject, info);
  const transform = async (current: KubeObject | undefined): Promise<KubeObject> => {
    const object = current as Scaled;
    const scale = submitted ?? ((await patch?.transform(scaleOf(object) as unknown as KubeObject, 0)) as unknown as Scale);
    const replicas = scale.spec?.replicas ?? 0;
    if (replicas < 0) {
      const problem = invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0');
      throw invalid({ group: 'autoscaling', name: 'Scale' }, info.name, [problem]);
    }
    const version = scale.metadata?.resourceVersion ?? '';
    const metadata = version === '' ? object.metadata : { ...object.metadata, resourceVersion: version };
    return { ...object, metadata, spec: { ...object.spec, replicas } } as Scaled;
  };
  const view = { of: scaleView, into: withReplicas };
  const { object } = await parts.registry.update(resource, info, { transform, subresource: 'scale', mode: '', view }, context);
  return respondWithScale(exchange, object);
}

const scaleView = (object: KubeObject): KubeObject => scaleOf(object as Scaled) as unknown as KubeObject;

/** The object with the number of replicas that its scale says. */
function withReplicas(object: KubeObject, scale: KubeObject): KubeObject {
  const { replicas = 0 } = (scale as unknown as Scale).spec ?? {};
  return { ...object, spec: { ...(object as Scaled).spec, replicas } } as Scaled;
}
