<#
.SYNOPSIS
Makes what is missing of the Python environments and starts the loop.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER ConfigPath
Config file, relative to the workspace or absolute. Default: config/daemon_config.json.
.PARAMETER StartInNewWindow
Starts the loop in a window of its own and returns.
.PARAMETER Detach
Starts the loop in the background and returns.
.PARAMETER Cycles
Ends the loop after this number of cycles, 0 or more. Default: 0, no limit.
.PARAMETER RunMinutes
Ends the loop after this number of minutes, 0 or more, fractions allowed. Default: 0, no limit.
.PARAMETER RunHours
Ends the loop after this number of hours, 0 to 744, the last of them finishing up. Default: 0, no limit.
.PARAMETER FinishupMinutes
Length of the finish-up in minutes, 0.5 to 10080. Default: 60, or finishup_default_minutes_left of the configuration.
Needs -RunHours or -RunMinutes, as do the next three.
.PARAMETER FinishupFinalTrainingRounds
Final training rounds, 0 to 20, as far as they fit. Default: 1.
.PARAMETER FinishupTopK
Places of the final leaderboard, 1 to 100. Default: 10, or finishup_default_report_top_k of the configuration.
.PARAMETER FinishupNote
Words for worker, mentor and report, at most 2000 characters. Default: none.
.PARAMETER Until
Ends the loop when a target is reached, as in "val_log_loss<=0.09". Default: empty, no target.
.EXAMPLE
powershell -ExecutionPolicy Bypass -File scripts\startup.ps1 -RunHours 8 -FinishupMinutes 60
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [ValidateNotNullOrEmpty()][string]$ConfigPath = 'config/daemon_config.json',
    [switch]$StartInNewWindow, [switch]$Detach,
    [ValidateRange(0, 1000000)][int]$Cycles = 0,
    [ValidateRange(0, 999999)][double]$RunMinutes = 0,
    [ValidateRange(0, 744)][double]$RunHours = 0,
    [ValidateRange(0.5, 10080)][double]$FinishupMinutes = 60,
    [ValidateRange(0, 20)][int]$FinishupFinalTrainingRounds = 1,
    [ValidateRange(1, 100)][int]$FinishupTopK = 10,
    [ValidateLength(0, 2000)][string]$FinishupNote = '',
    [string]$Until = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'start', '--config', $ConfigPath)
if ($StartInNewWindow) { $cli += '--new-window' }
if ($Detach) { $cli += '--detach' }
if ($Cycles -gt 0) { $cli += @('--cycles', $Cycles) }
if ($RunMinutes -gt 0) { $cli += @('--run-minutes', $RunMinutes) }
if ($RunHours -gt 0) { $cli += @('--run-hours', $RunHours) }
$given = $PSBoundParameters
if ($given.ContainsKey('FinishupMinutes')) { $cli += @('--finishup-minutes', $FinishupMinutes) }
if ($given.ContainsKey('FinishupTopK')) { $cli += @('--finishup-top-k', $FinishupTopK) }
if ($given.ContainsKey('FinishupFinalTrainingRounds')) {
    $cli += @('--finishup-final-training-rounds', $FinishupFinalTrainingRounds)
}
if ($Until) { $cli += "--until=$Until" }
$before = $env:LLM_LOOP_NOTE
if ($FinishupNote) { $env:LLM_LOOP_NOTE = $FinishupNote } # an argument would lose its quotes under 5.1
try { Invoke-Bootstrap @cli } finally { $env:LLM_LOOP_NOTE = $before }
exit $LASTEXITCODE
