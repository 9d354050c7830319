<#
.SYNOPSIS
Shows whether the loop runs, what it does, and the best result so far.
.PARAMETER WorkspaceRoot
Folder that holds config and .llm_loop. Default: the folder above this script.
.PARAMETER Json
Prints one JSON document instead of text.
.EXAMPLE
.\scripts\status.ps1 -Json
#>

#Requires -Version 5.1
[CmdletBinding(PositionalBinding = $false)]
param(
    [string]$WorkspaceRoot = '',
    [switch]$Json
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/_loop.ps1"
if (-not $WorkspaceRoot) { $WorkspaceRoot = Split-Path -Parent $PSScriptRoot }
$cli = @('--workspace', $WorkspaceRoot, 'status')
if ($Json) { $cli += '--json' }
Invoke-Bootstrap @cli
exit $LASTEXITCODE
