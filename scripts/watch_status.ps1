<#
.SYNOPSIS
Shows the status of the loop again and again, until Ctrl-C.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER IntervalSeconds
Seconds between two looks, 5 to 86400. Default: 60.
.PARAMETER Once
Shows the status once and ends.
.EXAMPLE
.\scripts\watch_status.ps1 -IntervalSeconds 10
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [ValidateRange(5, 86400)][int]$IntervalSeconds = 60,
    [switch]$Once
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'watch', '--interval', $IntervalSeconds)
if ($Once) { $cli += '--once' }
Invoke-Bootstrap @cli
exit $LASTEXITCODE
