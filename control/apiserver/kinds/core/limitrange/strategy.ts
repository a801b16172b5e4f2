/** LimitRanges. Source: upstream `pkg/registry/core/limitrange/strategy.go`. */
import { randomUUID } from 'node:crypto';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { setLimitRangeDefaults } from './defaults.ts';
import { validateLimitRange } from './validation.ts';

/** PUT may create it. Has no status: the admission plugin LimitRanger reads the spec. */
export const limitRangeKind = defineKind({
  resource: 'limitranges',
  names: nameIsDnsSubdomain,
  checkedAgain: 'first',
  allowCreateOnUpdate: true,
  defaults: setLimitRangeDefaults,
  prepare({ metadata }, old) {
    if (old === undefined) metadata.name ||= randomUUID();
  },
  validate: validateLimitRange,
});
