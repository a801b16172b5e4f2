/** The backends that there are, by the mode's name (`--proxy-mode`). A new one is one line here. */
import type { Backend, BackendDeps, BackendOptions } from './backend.ts';
import { createIptablesBackend } from './iptables/iptables-backend.ts';

export type ProxyMode = keyof typeof backends;

export const backends = {
  iptables: createIptablesBackend,
} satisfies Record<string, (deps: BackendDeps, options: BackendOptions) => Backend>;

/**
 * Removes the service rules of every mode and address family from this node (`kube-proxy --cleanup`). A failure keeps none of the others
 * from being removed.
 * @throws AggregateError of what could not be removed
 */
export async function removeServiceRules(deps: BackendDeps): Promise<void> {
  const failures: unknown[] = [];
  for (const createBackend of Object.values(backends)) {
    for (const family of ['IPv4', 'IPv6'] as const) {
      await createBackend(deps, { family })
        .remove()
        .catch((error: unknown) => failures.push(error));
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, `service rules are left: ${failures.map((error) => String(error)).join('; ')}`);
}
