/** The catalog with which every API server begins: all built-in kinds. */
import type { Authorization } from '../authorization/modes.ts';
import { KindCatalog } from '../catalog.ts';
import type { RestKind } from '../rest/exchange.ts';
import { PolicyGuard } from './admissionregistration/policy-guard.ts';
import type { StrategyDeps } from './deps.ts';
import { builtInKinds } from './index.ts';

/** The dependencies of {@link createBuiltInCatalog}. */
export interface BuiltInCatalogDeps extends Omit<StrategyDeps, 'roles' | 'policies'> {
  authorization: Pick<Authorization, 'authorizer' | 'roles'>;
}

/** Makes the catalog of one API server. */
export function createBuiltInCatalog({ authorization, ...deps }: BuiltInCatalogDeps): KindCatalog<RestKind> {
  const { authorizer, roles } = authorization;
  // The guard looks up resources that are added later too, so it gets the catalog itself.
  const policies = new PolicyGuard({ authorizer, catalog: () => catalog.resources });
  const catalog = new KindCatalog<RestKind>(builtInKinds({ ...deps, roles, policies }));
  return catalog;
}
