/** For tests: the built-in kinds as the API server serves them, where nothing is allocated or granted. */
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { KindCatalog } from '../catalog.ts';
import type { RestKind } from '../rest/exchange.ts';
import type { StrategyDeps } from './deps.ts';
import { builtInKinds } from './index.ts';

export const servedKinds = (): RestKind[] => builtInKinds({} as StrategyDeps);

/** Their rows, with the subresources that the rooms declare. */
export const servedResources = (): ResourceCatalog => new KindCatalog(servedKinds()).resources;
