/** `pods/ephemeralcontainers`. Source: kubernetes `pkg/registry/core/pod/storage/storage.go`, EphemeralContainersREST. */
import type { KubeObject } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import { type Exchange, respondWith, typeOf, writeContext } from '../../../rest/exchange.ts';
import { checkName, patchRequest, readObject } from '../../../rest/write-handlers.ts';
import { setPodDefaults } from './defaults.ts';

/** `pods/ephemeralcontainers`: keeps all of the stored pod but the ephemeral containers. In place. */
export function prepareEphemeralContainersUpdate(pod: Pod, old: Pod): void {
  const { ephemeralContainers } = pod.spec;
  pod.spec = { ...old.spec, ephemeralContainers };
  pod.status = old.status;
  setPodDefaults(pod);
}

/** PUT and PATCH of `ephemeralcontainers`: debugging containers are added to a pod, and never changed or removed. */
export async function writeEphemeralContainers(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource, request } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const patch =
    request.method === 'PATCH'
      ? await patchRequest(exchange, typeOf(resource), 'ephemeralcontainers', 'ephemeralcontainers')
      : undefined;
  const submitted = patch === undefined ? ((await readObject(exchange, typeOf(resource), 'UpdateOptions')) as Pod) : undefined;
  if (submitted !== undefined) checkName(submitted, info);
  const transform = async (current: KubeObject | undefined, bytes: number): Promise<KubeObject> => {
    const pod = current as Pod;
    const wanted = submitted ?? ((await patch?.transform(pod, bytes)) as Pod);
    const ephemeralContainers = wanted.spec?.ephemeralContainers ?? [];
    const resourceVersion = wanted.metadata.resourceVersion ?? '';
    return { ...pod, metadata: { ...pod.metadata, resourceVersion }, spec: { ...pod.spec, ephemeralContainers } } as Pod;
  };
  const { object } = await parts.registry.update(
    resource,
    info,
    { transform, subresource: 'ephemeralcontainers', mode: 'ephemeralcontainers' },
    context,
  );
  return respondWith(exchange, 200, object);
}
