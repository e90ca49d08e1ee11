import type { components, operations, paths } from './types.ts'

const task: components['schemas']['NewTask'] = { type: 'demo', input: { seconds: 1 } }
const wrong: components['schemas']['NewTask'] = {
  type: 'demo',
  // @ts-expect-error
  input: { seconds: 'one' }
}
type Started = paths['/api/tasks']['post']['responses'][202]['content']['application/json']
type Event = operations['followTask']['responses'][200]['content']['text/event-stream']
export const idOf = (started: Started): string => started.taskId
export const progressOf = (event: Event): number => (event.type === 'progress_update' ? event.data.value : 0)
export { task, wrong }
