/** A quota is never exceeded at any moment, whatever its status says. */
import { keyOf } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import type { ResourceQuota } from '#api/types.generated.ts';
import type { Model } from '../model.ts';
import type { InvariantOf } from './invariant.ts';

const name = 'quota never passed';

/** The quota resource of each kind. */
const limited: Record<string, string> = { Pod: 'pods', ConfigMap: 'count/configmaps' };

/** The actual usage of a quota resource. */
function usedOf(model: Model, resource: string, namespace: string | undefined): number | undefined {
  if (resource === 'pods')
    return model.pods().filter((pod) => pod.metadata.namespace === namespace && !isPodTerminal(pod)).length;
  if (resource !== 'count/configmaps') return undefined;
  return model.all('configmaps').filter(({ metadata }) => metadata.namespace === namespace).length;
}

export const quotas: InvariantOf = ({ model, history, violated }) => {
  const hard = history<number>();
  return {
    name,
    changed({ kind, object }) {
      if (object.kind === 'ResourceQuota' && kind !== 'deleted')
        for (const [resource, value] of Object.entries((object as ResourceQuota).spec?.hard ?? {}))
          hard.note(`${object.metadata.uid} ${resource}`, Number(value));
      if (kind !== 'created') return;
      const resource = limited[object.kind];
      if (resource === undefined) return;
      for (const quota of model.all<ResourceQuota>('resourcequotas')) {
        if (quota.metadata.namespace !== object.metadata.namespace) continue;
        // The quota is not enforced before its controller has computed the first status.
        if (quota.status?.hard?.[resource] === undefined) continue;
        const used = usedOf(model, resource, quota.metadata.namespace) ?? 0;
        const most = Math.max(...hard.recent(`${quota.metadata.uid} ${resource}`));
        if (used > most) violated(name, `${keyOf(quota)}: ${used} ${resource}, ${most} are allowed`);
      }
    },
    *unmet() {
      for (const quota of model.all<ResourceQuota>('resourcequotas'))
        for (const [resource, value] of Object.entries(quota.spec?.hard ?? {})) {
          const used = usedOf(model, resource, quota.metadata.namespace);
          if (String(quota.status?.hard?.[resource]) !== String(value)) yield `quota ${keyOf(quota)} does not show ${resource}`;
          if (used !== undefined && Number(quota.status?.used?.[resource]) !== used)
            yield `quota ${keyOf(quota)} counts ${quota.status?.used?.[resource]} of ${used} ${resource}`;
        }
    },
  };
};
