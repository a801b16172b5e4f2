/**
 * ComponentStatuses. They are not stored: they are computed when a client asks. Source: upstream
 * `pkg/registry/core/componentstatus`.
 */
import { defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { componentStatusColumns } from './columns.ts';

/** @param deps.components are asked for the state of each part */
export const componentStatusKind = ({ components }: Pick<StrategyDeps, 'components'>) =>
  defineKind({
    resource: 'componentstatuses',
    cluster: true,
    computed: { objects: () => components.statuses(), singular: 'componentstatus' },
    validate() {
      throw new Error('no ComponentStatus can be written: its resource has verbs to read only');
    },
    columns: componentStatusColumns,
  });
