/** Which users are nodes. Source: kubernetes `pkg/auth/nodeidentifier/default.go`; kubernetes.io, Using Node Authorization. */
import type { UserInfo } from '../../registry/strategy.ts';

const prefix = 'system:node:';

/** The node name of a user; '' for a node user without a name; undefined if the user is not a node. */
export function nodeNameOf({ name, groups }: UserInfo): string | undefined {
  return name.startsWith(prefix) && groups.includes('system:nodes') ? name.slice(prefix.length) : undefined;
}
