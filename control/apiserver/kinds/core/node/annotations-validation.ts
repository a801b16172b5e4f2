/** Annotations of Nodes that once were fields. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateNodeSpecificAnnotations. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import type { Node, Taint } from '#api/types.generated.ts';
import {
  AnnotationError,
  annotationValue,
  anyCase,
  type GoField,
  goFields,
  goList,
  goStruct,
} from '../../../validation/annotation-json.ts';
import { validateTaints } from '../../../validation/pod-spec/scheduling.ts';

const taintsKey = 'scheduler.alpha.kubernetes.io/taints';
const avoidPodsKey = 'scheduler.alpha.kubernetes.io/preferAvoidPods';
const path = 'metadata.annotations';

const taintFields: readonly GoField[] = [
  { name: 'Key', kind: 'string', goType: 'string' },
  { name: 'Value', kind: 'string', goType: 'string' },
  { name: 'Effect', kind: 'string', goType: 'core.TaintEffect' },
  { name: 'TimeAdded', kind: 'time', goType: 'v1.Time' },
];

/**
 * Problems of annotations that once were fields: taints, and whose pods to avoid. Source: upstream `pkg/apis/core/validation`
 * (ValidateNodeSpecificAnnotations).
 */
export function validateNodeAnnotations({ metadata: { annotations = {} } }: Node): FieldError[] {
  const { [taintsKey]: taints = '', [avoidPodsKey]: avoidPods = '' } = annotations;
  return [
    ...(taints === '' ? [] : reading(path, taintsKey, () => validateTaints(readTaints(taints), `${path}.${taintsKey}`))),
    ...(avoidPods === '' ? [] : reading(`${path}.AvoidPods`, avoidPodsKey, () => validateAvoidPods(avoidPods))),
  ];
}

/** Reports JSON that cannot be read with the annotation's key as the value, as upstream does. */
function reading(at: string, key: string, validate: () => FieldError[]): FieldError[] {
  try {
    return validate();
  } catch (error) {
    if (error instanceof AnnotationError) return [invalidValue(at, key, error.message)];
    throw error;
  }
}

const readTaints = (text: string): Taint[] =>
  goList(annotationValue(text), '[]core.Taint').map(
    (item) => goFields(goStruct(item, 'core.Taint'), 'Taint', taintFields) as unknown as Taint,
  );

function validateAvoidPods(text: string): FieldError[] {
  const avoid = goStruct(annotationValue(text), 'v1.AvoidPods');
  const entries = goList(anyCase(avoid, 'preferAvoidPods'), '[]v1.PreferAvoidPodsEntry');
  return entries.flatMap((item, index) => {
    const at = `${path}.${avoidPodsKey}[${index}].PodSignature`;
    const signature = goStruct(anyCase(goStruct(item, 'v1.PreferAvoidPodsEntry'), 'podSignature'), 'v1.PodSignature');
    const owner = anyCase(signature, 'podController');
    if (owner === null) return [required(at)];
    const { controller } = goFields(
      goStruct(owner, 'v1.OwnerReference'),
      'OwnerReference.preferAvoidPods.podSignature.podController',
      [{ name: 'controller', kind: 'bool', goType: 'bool' }],
    );
    // If `podSignature.podController` is missing, upstream takes `controller` as true or crashes; here the entry refers to no
    // controller.
    return controller === true ? [] : [invalidValue(`${at}.PodController.Controller`, false, 'must point to a controller')];
  });
}
