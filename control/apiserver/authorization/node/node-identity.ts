/** Which user is which node. Source: kubernetes `pkg/auth/nodeidentifier/default.go`; kubernetes.io, Using Node Authorization. */
import type { UserInfo } from '../../registry/strategy.ts';

const prefix = 'system:node:';

/** The name of the node that the user is; '' for one without a name; undefined for whoever is no node. */
export function nodeNameOf({ name, groups }: UserInfo): string | undefined {
  return name.startsWith(prefix) && groups.includes('system:nodes') ? name.slice(prefix.length) : undefined;
}
