import type { Clock } from '../clock.ts'
import type { LaneOptions } from './lane.ts'
import type { SinkPlan } from './notify-messages.ts'
import { FileSink } from './sinks/file-sink.ts'
import type { Sink } from './sinks/sink.ts'
import { SyslogSink } from './sinks/syslog-sink.ts'
import { WebhookSink } from './sinks/webhook-sink.ts'

/** Only webhooks can refuse a message; a file or a syslog server is there or not, and what waits for it costs nothing. */
export function laneOf(plan: SinkPlan, clock: Clock): LaneOptions {
  const { name, events, format, content } = plan
  const giveUp =
    plan.kind === 'webhook' ? { giveUp: { attempts: plan.attempts, afterMs: plan.giveUpMs } } : {}
  return { name, events, format, content, ...giveUp, sink: sinkOf(plan, clock) }
}

function sinkOf(plan: SinkPlan, clock: Clock): Sink {
  switch (plan.kind) {
    case 'file':
      return new FileSink(plan)
    case 'syslog':
      return new SyslogSink(plan)
    case 'webhook':
      return new WebhookSink({ ...plan, clock })
  }
}
