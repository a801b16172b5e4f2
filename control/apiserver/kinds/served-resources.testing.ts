/** For tests: the built-in kinds as the API server serves them, without real allocators and guards. */
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { KindCatalog } from '../catalog.ts';
import type { RestKind } from '../rest/exchange.ts';
import type { StrategyDeps } from './deps.ts';
import { builtInKinds } from './index.ts';

export const servedKinds = (): RestKind[] => builtInKinds({} as StrategyDeps);

/** The rows of the kinds, with their subresources. */
export const servedResources = (): ResourceCatalog => new KindCatalog(servedKinds()).resources;
