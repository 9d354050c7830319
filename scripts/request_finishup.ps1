<#
.SYNOPSIS
Asks the loop to finish up: a final training round, then story, report and leaderboard, by a deadline.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER MinutesLeft
Length of the window in minutes, 0.5 to 10080. Default: 60, or finishup_default_minutes_left of the configuration.
.PARAMETER FinalTrainingRounds
Final training rounds, 0 to 20, as far as they fit. Default: 1.
.PARAMETER TopK
Places of the final leaderboard, 1 to 100. Default: 10, or finishup_default_report_top_k of the configuration.
.PARAMETER Note
Words for worker, mentor and report, at most 2000 characters. Default: none.
.PARAMETER ActivateInMinutes
Opens the window so many minutes from now, 0 to 44640. Default: 0, at once.
.PARAMETER ActivateAtUtc
Opens it then: ISO 8601, UTC without a zone. Beats -RunHours, which beats -ActivateInMinutes. Default: empty, at once.
.PARAMETER RunHours
Has the report ready so many hours from now, 0 to 744; the window is the last part of them. Default: 0, off.
.PARAMETER ForceReportNow
Reports without a final training and without a look at the test rows.
.PARAMETER Cancel
Takes the request back. Beats everything else.
.PARAMETER Show
Shows the request and changes nothing.
.EXAMPLE
.\scripts\request_finishup.ps1 -MinutesLeft 60 -FinalTrainingRounds 1 -TopK 10 -Note "look at the masks"
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false, SupportsShouldProcess)]
param(
    [string]$WorkspaceRoot = '',
    [ValidateRange(0.5, 10080)][double]$MinutesLeft = 60,
    [ValidateRange(0, 20)][int]$FinalTrainingRounds = 1,
    [ValidateRange(1, 100)][int]$TopK = 10,
    [ValidateLength(0, 2000)][string]$Note = '',
    [ValidateRange(0, 44640)][double]$ActivateInMinutes = 0,
    [string]$ActivateAtUtc = '',
    [ValidateRange(0, 744)][double]$RunHours = 0,
    [switch]$ForceReportNow, [switch]$Cancel, [switch]$Show
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'finishup', '--final-training-rounds', $FinalTrainingRounds)
if ($PSBoundParameters.ContainsKey('MinutesLeft')) { $cli += @('--minutes-left', $MinutesLeft) }
if ($PSBoundParameters.ContainsKey('TopK')) { $cli += @('--top-k', $TopK) }
if ($ActivateAtUtc) { $cli += "--activate-at-utc=$ActivateAtUtc" }
elseif ($RunHours -gt 0) { $cli += @('--run-hours', $RunHours) }
elseif ($ActivateInMinutes -gt 0) { $cli += @('--activate-in-minutes', $ActivateInMinutes) }
if ($ForceReportNow) { $cli += '--force-report-now' }
if ($Cancel) { $cli += '--cancel' } elseif ($Show) { $cli += '--show' }
if (($Show -and -not $Cancel) -or $PSCmdlet.ShouldProcess($WorkspaceRoot, 'Ask to finish up, or take that back')) {
    $before = $env:LLM_LOOP_NOTE
    if ($Note) { $env:LLM_LOOP_NOTE = $Note } # an argument would lose its quotes under 5.1
    try { Invoke-Bootstrap @cli } finally { $env:LLM_LOOP_NOTE = $before }
    exit $LASTEXITCODE
}
