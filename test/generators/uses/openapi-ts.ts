import { followTask, startTask } from './sdk/sdk.gen.ts'
export async function main(baseUrl: string): Promise<string[]> {
  const { data } = await startTask({
    baseUrl,
    body: { type: 'demo', input: { seconds: 1 } },
    throwOnError: true
  })
  const { stream } = await followTask({ baseUrl, path: { taskId: data.taskId } })
  const seen: string[] = []
  for await (const event of stream) {
    // Nothing, if the final event was seen before: the 204.
    if (event) seen.push(event.type)
  }
  return seen
}
