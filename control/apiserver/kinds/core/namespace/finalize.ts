/** `namespaces/finalize`. Source: kubernetes `pkg/registry/core/namespace/storage/storage.go`, FinalizeREST. */
import type { KubeObject } from '#api/meta.ts';
import { invalid } from '#api/status.ts';
import type { Namespace } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import { type Exchange, respondWith, typeOf, writeContext } from '../../../rest/exchange.ts';
import { checkName, readObject } from '../../../rest/write-handlers.ts';
import { validateFinalizer } from './validation.ts';

/**
 * `PUT namespaces/<name>/finalize`: the only way to change `spec.finalizers`. When the last one is gone, the namespace is
 * removed.
 */
export async function finalizeNamespace(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const submitted = (await readObject(exchange, typeOf(resource), 'UpdateOptions')) as Namespace;
  checkName(submitted, { name: info.name });
  const transform = (current: KubeObject | undefined): KubeObject => {
    const { uid, resourceVersion } = submitted.metadata;
    const metadata = { ...(current as Namespace).metadata, uid: uid ?? current?.metadata.uid, resourceVersion };
    const finalizers = submitted.spec?.finalizers ?? [];
    const problems = finalizers.flatMap((name, index) => validateFinalizer(name, `spec.finalizers[${index}]`));
    if (problems.length > 0) throw invalid({ group: '', name: 'Namespace' }, info.name, problems);
    return { ...(current as Namespace), metadata, spec: finalizers.length > 0 ? { finalizers } : {} } as KubeObject;
  };
  const request = { transform, subresource: 'finalize', mode: 'bypass' } as const;
  const { object } = await parts.registry.update(resource, { name: info.name }, request, context);
  return respondWith(exchange, 200, object);
}
