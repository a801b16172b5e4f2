/** The types of volumes that this kubelet knows. A new type is a file beside this one, and a line here. */
import type { PluginDeps, VolumePlugin } from '../plugin.ts';
import { configMapPlugin } from './config-map.ts';
import { downwardApiPlugin } from './downward-api.ts';
import { emptyDirPlugin } from './empty-dir.ts';
import { hostPathPlugin } from './host-path.ts';
import { imagePlugin } from './image.ts';
import { localPlugin } from './local.ts';
import { projectedPlugin } from './projected.ts';
import { secretPlugin } from './secret.ts';

/** One plugin of each type, in no order: a volume has one type. */
export const createPlugins = (deps: PluginDeps): readonly VolumePlugin[] => [
  emptyDirPlugin(deps),
  hostPathPlugin(deps),
  localPlugin(deps),
  configMapPlugin(deps),
  secretPlugin(deps),
  downwardApiPlugin(deps),
  projectedPlugin(deps),
  imagePlugin(),
];
