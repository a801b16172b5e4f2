/** The subresource `scale` of all kinds with replicas. Source: kubernetes `pkg/registry/apps/<kind>/storage`. */
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

/** Access to the parts of an object that its Scale shows. */
export interface ScaleParts {
  /** Reads the numbers and the selector. `desired` is undefined when the object does not set it. */
  read(object: KubeObject): { desired: number | undefined; actual: number; selector: string };
  /** Returns a new object with this number of replicas. */
  write(object: KubeObject, replicas: number): KubeObject;
  /** The error for an object that sets no number of replicas. Absent: it is not an error. */
  missing?(): Error;
}

/** The subresource `scale` of a kind with these parts. */
export function scaleOfParts(parts: ScaleParts): ServedSubresource {
  const write = (exchange: Exchange): Promise<TransportResponse> => writeScale(exchange, parts);
  return {
    carries: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
    handlers: { get: (exchange) => getScale(exchange, parts), update: write, patch: write },
  };
}

/**
 * The subresource of kinds with `spec.replicas`, `status.replicas` and a label selector `spec.selector` (a plain map in
 * ReplicationControllers).
 */
export const scaleSubresource = scaleOfParts({
  read(object) {
    const { spec, status } = object as Scaled;
    return { desired: spec?.replicas ?? 0, actual: status?.replicas ?? 0, selector: selectorText(object as Scaled) };
  },
  write: (object, replicas) => ({ ...object, spec: { ...(object as Scaled).spec, replicas } }) as Scaled,
});

function scaleOf(object: KubeObject, parts: ScaleParts): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const { desired = 0, actual, selector } = parts.read(object);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: desired },
    status: { replicas: actual, selector },
  } as Scale;
}

function selectorText({ kind, spec }: Scaled): string {
  if (kind !== 'ReplicationController') return formatLabelSelector(spec?.selector);
  return labelMatcherText(labelMatcherOfMap(spec?.selector as Record<string, string>));
}

function respondWithScale(exchange: Exchange, cached: CachedObject, parts: ScaleParts): Answer {
  const scale = new CachedObject(cached.key, cached.revision, scaleOf(cached.object, parts) as unknown as KubeObject);
  return respondAs(exchange, 200, scale, scaleType.type, { table: scaleColumns as TableColumns<KubeObject> });
}

async function getScale(exchange: Exchange, parts: ScaleParts): Promise<TransportResponse> {
  const found = await exchange.parts.registry.get(exchange.resource, exchange.info);
  if (parts.missing !== undefined && parts.read(found.object).desired === undefined) throw parts.missing();
  return respondWithScale(exchange, found, parts);
}

/** Serves PUT and PATCH. Only `spec.replicas` has an effect. */
async function writeScale(exchange: Exchange, scaled: ScaleParts): Promise<TransportResponse> {
  const { parts, info, resource, request } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const isPatch = request.method === 'PATCH';
  const patch = isPatch ? await patchRequest(exchange, scaleType, 'scale', '') : undefined;
  const submitted = isPatch ? undefined : ((await readObject(exchange, scaleType, 'UpdateOptions')) as unknown as Scale);
  if (submitted !== undefined) checkName(submitted as unknown as KubeObject, info);
  const scaleView = (object: KubeObject): KubeObject => scaleOf(object, scaled) as unknown as KubeObject;
  const transform = async (current: KubeObject | undefined): Promise<KubeObject> => {
    const object = current as KubeObject;
    const scale = submitted ?? ((await patch?.transform(scaleView(object), 0)) as unknown as Scale);
    const replicas = scale.spec?.replicas ?? 0;
    if (replicas < 0) {
      const problem = invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0');
      throw invalid({ group: 'autoscaling', name: 'Scale' }, info.name, [problem]);
    }
    const version = scale.metadata?.resourceVersion ?? '';
    const metadata = version === '' ? object.metadata : { ...object.metadata, resourceVersion: version };
    return scaled.write({ ...object, metadata }, replicas);
  };
  const view = {
    of: scaleView,
    into: (object: KubeObject, scale: KubeObject) => scaled.write(object, (scale as unknown as Scale).spec?.replicas ?? 0),
  };
  const { object } = await parts.registry.update(resource, info, { transform, subresource: 'scale', mode: '', view }, context);
  return respondWithScale(exchange, object, scaled);
}
